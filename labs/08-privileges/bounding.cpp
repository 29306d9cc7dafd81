// Generated from exercises.toml and the reference: edit your copy in work/, made by ./course start.
// Root that executes a program gets every capability again that the bounding set still has, and so
// does anybody whom a file capability favours. To take a capability away for good is to take it
// out of this set. man 7 capabilities, "Capability bounding set"
#include "tenon/capabilities.hpp"
#include "tenon/capability_syscalls.hpp"
#include "tenon/trace.hpp"
#include "tenon/todo.hpp"

namespace tenon {

void drop_bounding(const CapabilitySet& keep) {
    const trace::Step step{8, "lower the bounding set",
                           "or the next execve of root undoes the rest"};
    // TASK 08.1  what no program can have again  (20 points)
    // man: capabilities(7), prctl(2)
    // hint: Root that executes a program gets every capability anew. Which of the five sets is the
    //   limit of that, and how is something taken out of it?
    // more: ./course hint 08.1
    TENON_TODO("08.1");
}

}  // namespace tenon
