// What a filter of one profile costs by chapter 08's compiler, and by that of tenon-oci: compiled,
// found in the cache, loaded into the kernel, run before one call. The least of many rounds, in
// microseconds; instructions are exact.
//
//     seccomp_bench PROFILE [CACHE-FOLDER]
#include <fcntl.h>
#include <fmt/format.h>
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
#include <string>

#include "seccomp_tree.hpp"
#include "tenon/process.hpp"
#include "tenon/program.hpp"
#include "tenon/seccomp_cache.hpp"
#include "tenon/seccomp_profile.hpp"

namespace {

using tenon::seccomp::by_libseccomp;
using tenon::seccomp::Compiler;
using tenon::seccomp::Filter;
using tenon::seccomp::FilterCache;
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

std::size_t steps(const Filter& filter, int number) {
    seccomp_data call{};
    call.nr = number;
    call.arch = AUDIT_ARCH_X86_64;
    return tenon::seccomp::steps_of(filter.program, call);
}

void row(const std::string& what, double number, const char* unit) {
    std::printf("%-34s  %.0f %s\n", what.c_str(), number, unit);
}

void measure(const tenon::oci::Seccomp& policy, const FilterCache& cache,
             const Compiler& compiler) {
    const Filter filter = compiler.compile(policy);
    std::printf("%s\n", std::string{compiler.name}.c_str());
    row("  program", static_cast<double>(filter.program.size()), "instructions");
    row("  compiled", least(20, [&] { compiler.compile(policy); }), "us");
    compile_cached(policy, cache, compiler);
    row("  found in the cache", least(50, [&] { compile_cached(policy, cache, compiler); }), "us");
    row("  loaded", least_in_child([&] { install(filter); }), "us");
    for (const int number : {0, 39, 231, 257, 435}) {
        row(fmt::format("  before call {}", number), static_cast<double>(steps(filter, number)),
            "instructions");
    }
}

}  // namespace

int main(int argc, char** argv) {
    const std::span<char*> words{argv, static_cast<std::size_t>(argc)};
    if (words.size() < 2) {
        std::fputs("usage: seccomp_bench PROFILE [CACHE-FOLDER]\n", stderr);
        return 2;
    }
    return tenon::run_program("seccomp_bench", [&] {
        const auto policy =
            tenon::seccomp::load_profile(words[1], tenon::seccomp::profile_context({}));
        const FilterCache cache{words.size() > 2 ? words[2]
                                                 : tenon::seccomp::default_cache_folder()};
        for (const Compiler& compiler : {by_libseccomp, tenon::ext::by_tree}) {
            measure(policy, cache, compiler);
        }
        return 0;
    });
}
