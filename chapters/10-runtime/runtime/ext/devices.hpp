// linux.resources.devices: which devices the processes of a group may make, read and write.
//
// cgroup v2 has no file for it: a program in the kernel is asked at each open and mknod. It is made
// here, one comparison after the other, so short that the kernel checks it in no time.
#pragma once

#include <linux/bpf.h>

#include <vector>

#include "tenon/extension.hpp"
#include "tenon/oci_resources.hpp"

namespace tenon::ext {

// Pure. The program for `rules`, where a later one overrides an earlier one; what no rule speaks of
// is allowed, as in a new group. The default devices of every container are allowed in any case.
// Throws std::invalid_argument  a type or an access that there is not
// See runtime-spec config-linux.md, "Allowed Device list" and "Default Devices"
std::vector<bpf_insn> device_program(const std::vector<oci::DeviceRule>& rules);

// In a group that has rules already: those of now count alone. For a moment both do.
// Throws std::invalid_argument  as device_program(); SysError  bpf: EPERM
void replace_device_rules(const std::vector<oci::DeviceRule>& rules, FdRef group);

class DeviceRules : public LaunchExtension {
  public:
    explicit DeviceRules(const std::vector<oci::DeviceRule>& rules)
        : program_(device_program(rules)) {}
    void on_cgroup_ready(const CgroupManager& group) override;
    [[nodiscard]] bool acts_on_child() const override { return false; }

  private:
    std::vector<bpf_insn> program_;
};

}  // namespace tenon::ext
