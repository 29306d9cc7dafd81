// The smallest namespace: two strings. What uname(2) reports is read from the caller's own UTS
// namespace, so a new name is invisible outside. uts_namespaces(7)
#include "tenon/namespaces.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/trace.hpp"

namespace tenon {

void set_hostname(std::string_view name) {
    const trace::Step step{1, "set the host name", "a container has a name of its own"};
    // BEGIN SOLUTION 01.4
    sys::sethostname(name);
    // END SOLUTION
}

void set_domainname(std::string_view name) {
    const trace::Step step{1, "set the domain name", "it lives in the same namespace"};
    // BEGIN SOLUTION 01.4
    sys::setdomainname(name);
    // END SOLUTION
}

}  // namespace tenon
