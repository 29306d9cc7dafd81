// The main() of every unit test program: enters a host of its own, runs, and fails on leaks too.
#define CATCH_CONFIG_RUNNER
#include <csignal>
#include <filesystem>

#include "catch.hpp"
#include "kernel_view.hpp"
#include "sandbox.hpp"

namespace tenon::test {
int leak_count();
}

namespace {

// nohup(1), and a shell that starts a job in the background of a script, have these ignored; tests
// of what they do would wait for ever.
void hear_signals() {
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) std::signal(signal, SIG_DFL);
}

}  // namespace

int main(int argc, char** argv) {
    hear_signals();
    tenon::test::enter_test_host();
    const std::filesystem::path temporary = tenon::test::temporary_root();
    const int failures = Catch::Session().run(argc, argv);
    std::error_code left;
    std::filesystem::remove_all(temporary, left);
    return failures != 0 || tenon::test::leak_count() != 0 ? 1 : 0;
}
