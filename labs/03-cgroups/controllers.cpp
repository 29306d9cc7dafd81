// Generated from exercises.toml and the reference: edit your copy in work/, made by ./course start.
// A controller starts at the root and is handed down, group by group: each group decides, in
// cgroup.subtree_control, what the groups below it get. What is not handed down is not there: a
// group without the memory controller has no memory.max to write to. cgroups(7), "Cgroups v2"
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "group_paths.hpp"
#include "tenon/cgroup.hpp"
#include "tenon/kernel_file.hpp"
#include "tenon/trace.hpp"
#include "tenon/todo.hpp"

namespace tenon {

void enable_controllers(FdRef root, std::string_view group, const ControllerSet& wanted) {
    const trace::Step step{3, "hand controllers down",
                           "a group only has what its parent passes on"};
    // TASK 03.1  controllers come down to a group  (20 points)
    // man: cgroups(7)
    // hint: A group has the files of those controllers only that its parent passes on, and the
    //   parent can only pass on what its own parent gave it. Where does that begin?
    // more: ./course hint 03.1
    TENON_TODO("03.1");
}

}  // namespace tenon
