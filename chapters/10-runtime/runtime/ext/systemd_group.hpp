// --systemd-cgroup: the container's group is a scope of systemd's.
//
// systemd owns the tree where it runs, and thinks nobody else makes groups in it but where it has
// given a part away. A scope is a unit around processes that somebody else has started, and with
// Delegate=yes such a part: its inside is ours. It ends with its last process.
//
//     place()   asks systemd who it is; notes the unit for delete
//     make()    StartTransientUnit around the child, which waits; then what has no property
//
// See systemd.scope(5); https://systemd.io/CGROUP_DELEGATION
#pragma once

#include <optional>
#include <string>

#include "systemd_manager.hpp"
#include "systemd_unit.hpp"
#include "undoable.hpp"

namespace tenon::ext {

class SystemdGroup : public Undoable, public GroupMaker {
  public:
    // folder: of the container, where is written down what delete has to stop.
    SystemdGroup(ScopeName scope, std::string id, std::string folder, SystemdManager manager)
        : scope_(std::move(scope)),
          id_(std::move(id)),
          folder_(std::move(folder)),
          manager_(std::move(manager)) {}
    SystemdGroup(const SystemdGroup&) = delete;
    SystemdGroup& operator=(const SystemdGroup&) = delete;
    ~SystemdGroup() override;

    void extend_plan(LaunchPlan& plan) override;
    std::string place(const CgroupHierarchy& hierarchy) override;
    CgroupManager make(const CgroupHierarchy& hierarchy, const CgroupLimits& limits,
                       const Child& child) override;

  private:
    ScopeName scope_;
    std::string id_;
    std::string folder_;
    SystemdManager manager_;
    std::map<std::string, std::string> annotations_;
    ManagerFacts facts_;
    bool asked_for_ = false;
};

// The unit of a container that is there.
struct NotedUnit {
    std::string name;
    bool of_user = false;
};
// Nothing for a container without one. Throws std::runtime_error  the note is none
std::optional<NotedUnit> noted_unit(const std::string& folder);

// update: what there are properties for. Before it is written into the group: systemd would write
// its own again.
void change_unit(const NotedUnit& unit, const CgroupLimits& limits);

// delete: its processes have ended by now, and so has the unit, or is about to. What goes wrong is
// a warning: there is nothing left that could be in the way.
void stop_unit(const NotedUnit& unit);

}  // namespace tenon::ext
