// Five sets and a user, each of which changes what the others allow:
//   the bounding set is lowered by CAP_SETPCAP, so before it is gone;
//   ids are changed by CAP_SETUID and CAP_SETGID, so before they are gone;
//   leaving uid 0 clears permitted, effective and ambient, unless keepcaps saves the first;
//   capset gives inheritable only what bounding or the old inheritable has;
//   ambient takes only what is permitted and inheritable already.
// One order is left. man 7 capabilities, "Effect of user ID changes on capabilities"
#include "tenon/capabilities.hpp"
#include "tenon/capability_syscalls.hpp"
#include "tenon/process_settings.hpp"
#include "tenon/trace.hpp"

namespace tenon {

void apply_capabilities(const Capabilities& wanted, const oci::User& user) {
    const trace::Step step{8, "apply capabilities", "what it does not have, no bug in it can use"};
    // BEGIN SOLUTION 08.2
    drop_bounding(wanted.bounding);
    sys::set_keepcaps(true);
    become_user(user);
    sys::set_keepcaps(false);
    sys::capset({.effective = wanted.effective.bits(),
                 .permitted = wanted.permitted.bits(),
                 .inheritable = wanted.inheritable.bits()});
    sys::ambient_clear_all();
    for (const Capability member : wanted.ambient.members()) sys::ambient_raise(member);
    // END SOLUTION
}

}  // namespace tenon
