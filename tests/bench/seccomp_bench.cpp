// What chapter 08's filter of one profile costs: compiled, found in the cache, loaded into the
// kernel, run before one call. The least of many rounds, in microseconds; instructions are exact.
//
//     seccomp_bench PROFILE [CACHE-FOLDER]
#include <fcntl.h>
#include <linux/audit.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <span>

#include "tenon/process.hpp"
#include "tenon/program.hpp"
#include "tenon/seccomp_cache.hpp"
#include "tenon/seccomp_profile.hpp"

namespace {

using Clock = std::chrono::steady_clock;
using Microseconds = std::chrono::duration<double, std::micro>;

double least(int rounds, const std::function<void()>& work) {
    double best = 1e9;
    for (int round = 0; round < rounds; ++round) {
        const auto begin = Clock::now();
        work();
        best = std::min(best, Microseconds(Clock::now() - begin).count());
    }
    return best;
}

// In a child for each round: a filter stays.
double least_in_child(const std::function<void()>& work) {
    double best = 1e9;
    for (int round = 0; round < 50; ++round) {
        std::array<int, 2> ends{};
        if (::pipe(ends.data()) != 0) return -1;
        const pid_t pid = ::fork();
        if (pid == 0) {
            ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            const double took = least(1, work);
            ::_exit(::write(ends[1], &took, sizeof took) == sizeof took ? 0 : 1);
        }
        double took = 1e9;
        if (::read(ends[0], &took, sizeof took) == sizeof took) best = std::min(best, took);
        ::close(ends[0]);
        ::close(ends[1]);
        ::waitpid(pid, nullptr, 0);
    }
    return best;
}

std::size_t steps(const tenon::seccomp::Filter& filter, int number) {
    seccomp_data call{};
    call.nr = number;
    call.arch = AUDIT_ARCH_X86_64;
    return tenon::seccomp::steps_of(filter.program, call);
}

}  // namespace

int main(int argc, char** argv) {
    const std::span<char*> words{argv, static_cast<std::size_t>(argc)};
    if (words.size() < 2) {
        std::fputs("usage: seccomp_bench PROFILE [CACHE-FOLDER]\n", stderr);
        return 2;
    }
    return tenon::run_program("seccomp_bench", [&] {
        using namespace tenon::seccomp;
        const auto policy = load_profile(words[1], profile_context({}));
        const Filter filter = compile(policy);
        std::printf("%-34s  %zu instructions\n", "program", filter.program.size());
        std::printf("%-34s  %.0f us\n", "compiled", least(10, [&] { compile(policy); }));
        const FilterCache cache{words.size() > 2 ? words[2] : default_cache_folder()};
        compile_cached(policy, cache);
        std::printf("%-34s  %.0f us\n", "found in the cache",
                    least(50, [&] { compile_cached(policy, cache); }));
        std::printf("%-34s  %.0f us\n", "loaded", least_in_child([&] { install(filter); }));
        for (const int number : {0, 39, 231, 257, 435}) {
            std::printf("%-34s  %zu instructions\n",
                        ("before call " + std::to_string(number)).c_str(), steps(filter, number));
        }
        return 0;
    });
}
