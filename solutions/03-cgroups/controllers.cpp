// A controller starts at the root and is handed down, group by group: each group decides, in
// cgroup.subtree_control, what the groups below it get. What is not handed down is not there: a
// group without the memory controller has no memory.max to write to. cgroups(7), "Cgroups v2"
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "group_paths.hpp"
#include "tenon/cgroup.hpp"
#include "tenon/kernel_file.hpp"
#include "tenon/trace.hpp"

namespace tenon {

void enable_controllers(FdRef root, std::string_view group, const ControllerSet& wanted) {
    const trace::Step step{3, "hand controllers down",
                           "a group only has what its parent passes on"};
    // BEGIN SOLUTION 03.1
    for (const std::string& ancestor : ancestors_of(group)) {
        const std::string file = file_in(ancestor, "cgroup.subtree_control");
        const ControllerSet passed_on = read_controllers(root, file);
        std::vector<std::string> change;
        for (const std::string& controller : wanted) {
            if (!passed_on.contains(controller)) change.push_back("+" + controller);
        }
        // All in one write: the kernel takes the whole line, or nothing of it.
        if (change.empty()) continue;
        write_kernel_file(root, file, fmt::format("{}", fmt::join(change, " ")));
    }
    // END SOLUTION
}

}  // namespace tenon
