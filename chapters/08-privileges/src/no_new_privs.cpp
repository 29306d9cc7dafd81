// One bit that no process ever loses again, and that all it starts inherit.
#include "tenon/capabilities.hpp"
#include "tenon/capability_syscalls.hpp"
#include "tenon/trace.hpp"

namespace tenon {

void set_no_new_privs() {
    const trace::Step step{8, "no new privileges", "a set-user-ID program gives nothing any more"};
    sys::set_no_new_privs();
}

}  // namespace tenon
