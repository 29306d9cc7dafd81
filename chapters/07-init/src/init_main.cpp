// tenon-init: the pid 1 that a container gets before its command. Static, small, alone: it must run
// in a root file system that has nothing.
//
//   tenon-init [-g] [-t] [-u] [-r] [--] COMMAND [ARGUMENT ..]
// NOLINTBEGIN(modernize-deprecated-headers): tenon-init has no C++ library
#include <stdio.h>
#include <unistd.h>
// NOLINTEND(modernize-deprecated-headers)

#include "tenon/init.hpp"

namespace {

constexpr int own_failure = 125;

int usage() {
    dprintf(STDERR_FILENO,
            "usage: tenon-init [-g] [-t] [-u] [-r] [--] COMMAND [ARGUMENT ..]\n"
            "  -g  pass signals on to the command's whole process group\n"
            "  -t  the command gets the terminal on standard input as its own\n"
            "  -u  the command starts with no signal blocked, whatever is blocked here\n"
            "  -r  say in the end how many orphans were reaped, and in /proc/1/comm meanwhile\n");
    return own_failure;
}

bool parse(int argc, char** argv, tenon::InitOptions& options) {
    for (int letter = 0; (letter = getopt(argc, argv, "+gtur")) != -1;) {
        switch (letter) {
            case 'g': options.forward_to_group = true; break;
            case 't': options.take_terminal = true; break;
            case 'u': options.unblock = true; break;
            case 'r': options.report_orphans = true; break;
            default: return false;
        }
    }
    return optind < argc;
}

}  // namespace

int main(int argc, char** argv) {
    tenon::InitOptions options;
    if (!parse(argc, argv, options)) return usage();
    if (getpid() != 1) {
        dprintf(STDERR_FILENO,
                "tenon-init: this is pid %d, and orphans go to pid 1: start it in a new pid "
                "namespace\n",
                getpid());
        return own_failure;
    }
    return tenon::run_init(options, argv + optind);
}
