// Generated from exercises.toml and the reference: edit your copy in work/, made by ./course start.
// The smallest namespace: two strings. What uname(2) reports is read from the caller's own UTS
// namespace, so a new name is invisible outside. uts_namespaces(7)
#include "tenon/namespaces.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/trace.hpp"
#include "tenon/todo.hpp"

namespace tenon {

void set_hostname(std::string_view name) {
    const trace::Step step{1, "set the host name", "a container has a name of its own"};
    // TASK 01.4  a host name of its own  (20 points)
    // man: sethostname(2), uts_namespaces(7)
    // hint: Two system calls, one for each name. Neither takes a NUL-terminated string.
    // more: ./course hint 01.4
    TENON_TODO("01.4");
}

void set_domainname(std::string_view name) {
    const trace::Step step{1, "set the domain name", "it lives in the same namespace"};
    // TASK 01.4, continued
    TENON_TODO("01.4");
}

}  // namespace tenon
