// The main() of every unit test program: enters a host of its own, runs, and fails on leaks too.
#define CATCH_CONFIG_RUNNER
#include <filesystem>

#include "catch.hpp"
#include "kernel_view.hpp"
#include "sandbox.hpp"

namespace tenon::test {
int leak_count();
}

int main(int argc, char** argv) {
    tenon::test::enter_test_host();
    const std::filesystem::path temporary = tenon::test::temporary_root();
    const int failures = Catch::Session().run(argc, argv);
    std::error_code left;
    std::filesystem::remove_all(temporary, left);
    return failures != 0 || tenon::test::leak_count() != 0 ? 1 : 0;
}
