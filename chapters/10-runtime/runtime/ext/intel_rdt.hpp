// linux.intelRdt: which part of a shared cache, and of the way to memory, a container's processes
// get. A folder of resctrl is a class of service: `schemata` says what it gets, `tasks` who is in
// it. See Linux, Documentation/filesystems/resctrl.rst; runtime-spec config-linux.md, "IntelRdt"
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tenon/fd.hpp"
#include "tenon/oci_linux.hpp"
#include "undoable.hpp"

namespace tenon::ext {

// The tree, open; tests have a plain one, in which a new folder is to get its files.
struct Resctrl {
    UniqueFd tree;
    std::function<void(FdRef tree, const std::string& group)> make_group;
};
// The machine's. Throws std::runtime_error  it is not mounted, or the CPU has nothing of it
Resctrl open_resctrl();

// Puts `pid` into the class that `config` names, made where it is missing and something is said of
// it. Returns the folders that were made; on an error there are none.
// Throws std::runtime_error  a class that is there and gives something else, or is not there and
//                            nothing is said of it
//        SysError            mkdirat: ENOSPC (no more classes), write: EINVAL
std::vector<std::string> join_class(const Resctrl& resctrl, const oci::IntelRdt& config,
                                    const std::string& id, pid_t pid);
// update: what `wanted` says of the class that `config` has put the container into.
// Throws std::runtime_error  it has none
void change_class(const Resctrl& resctrl, const std::optional<oci::IntelRdt>& config,
                  const oci::IntelRdt& wanted, const std::string& id);
// In reverse order. One that is gone already is no error.
void remove_classes(FdRef tree, const std::vector<std::string>& groups);

class IntelRdt : public Undoable {
  public:
    // folder: of the container, where is written down what delete has to remove.
    IntelRdt(oci::IntelRdt config, std::string id, std::string folder)
        : config_(std::move(config)),
          id_(std::move(id)),
          folder_(std::move(folder)),
          resctrl_(open_resctrl()) {}
    IntelRdt(const IntelRdt&) = delete;
    IntelRdt& operator=(const IntelRdt&) = delete;
    ~IntelRdt() override;
    void on_child_created(const Child& child) override;

  private:
    oci::IntelRdt config_;
    std::string id_;
    std::string folder_;
    Resctrl resctrl_;
    std::vector<std::string> made_;
};

// What the container of that folder has had made; empty for nearly all.
std::vector<std::string> classes_of(const std::string& folder);

}  // namespace tenon::ext
