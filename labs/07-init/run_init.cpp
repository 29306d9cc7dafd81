// Generated from exercises.toml and the reference: edit your copy in work/, made by ./course start.
// The life of pid 1: start the payload, wait for news, pass signals on, reap, and take everybody
// along in the end.
//
// The payload leads a session of its own. So Ctrl-C reaches it and not us, it can have the
// terminal, and Ctrl-Z does not stop it where nobody could continue it: the kernel does not stop
// a group whose parents are all in other sessions. setsid(2), credentials(7)
// NOLINTBEGIN(modernize-deprecated-headers): tenon-init has no C++ library
#include <stdio.h>
#include <unistd.h>
// NOLINTEND(modernize-deprecated-headers)

#include "tenon/init.hpp"
#include "tenon/todo.hpp"

namespace tenon {

int run_init(const InitOptions& options, char* const* argv) {
    // TASK 07.3  the life of pid 1  (25 points)
    // man: fork(2), setsid(2), execve(2)
    // hint: Before the payload, during it, after it: what has to be set up before the fork, and
    //   what of that must the payload not inherit?
    // more: ./course hint 07.3
    TENON_TODO("07.3");
}

}  // namespace tenon
