// Root that executes a program gets every capability again that the bounding set still has, and so
// does anybody whom a file capability favours. To take a capability away for good is to take it
// out of this set. man 7 capabilities, "Capability bounding set"
#include "tenon/capabilities.hpp"
#include "tenon/capability_syscalls.hpp"
#include "tenon/trace.hpp"

namespace tenon {

void drop_bounding(const CapabilitySet& keep) {
    const trace::Step step{8, "lower the bounding set",
                           "or the next execve of root undoes the rest"};
    // BEGIN SOLUTION 08.1
    for (Capability number = 0; number < capability_room; ++number) {
        const std::optional<bool> present = sys::capbset_read(number);
        if (!present) break;  // the kernel ends here
        if (*present && !keep.contains(number)) sys::capbset_drop(number);
    }
    // END SOLUTION
}

}  // namespace tenon
