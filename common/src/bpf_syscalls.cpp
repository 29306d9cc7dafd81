// The kernel wants all of bpf_attr that it may read to be zero.
#include "tenon/bpf_syscalls.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "tenon/error.hpp"

namespace tenon::sys {

namespace {

long bpf(int command, bpf_attr& attributes) {
    return ::syscall(SYS_bpf, command, &attributes, sizeof attributes);
}

__u64 address_of(const void* memory) {
    return reinterpret_cast<__u64>(memory);
}

// All of the union: the kernel refuses what is set beyond what it knows.
bpf_attr cleared_attributes() {
    bpf_attr attributes;  // NOLINT(cppcoreguidelines-pro-type-member-init)
    std::memset(&attributes, 0, sizeof attributes);
    return attributes;
}

}  // namespace

UniqueFd load_device_program(std::span<const bpf_insn> program) {
    bpf_attr attributes = cleared_attributes();
    attributes.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    attributes.insns = address_of(program.data());
    attributes.insn_cnt = static_cast<__u32>(program.size());
    attributes.license = address_of("MIT");
    return UniqueFd{static_cast<int>(check(bpf(BPF_PROG_LOAD, attributes), "bpf", "device rules"))};
}

void attach_device_program(FdRef program, FdRef group) {
    bpf_attr attributes = cleared_attributes();
    attributes.target_fd = static_cast<__u32>(group.number());
    attributes.attach_bpf_fd = static_cast<__u32>(program.number());
    attributes.attach_type = BPF_CGROUP_DEVICE;
    attributes.attach_flags = BPF_F_ALLOW_MULTI;
    check(bpf(BPF_PROG_ATTACH, attributes), "bpf", "device rules of the group");
}

std::vector<std::uint32_t> device_programs_of(FdRef group) {
    std::vector<std::uint32_t> ids(64);
    bpf_attr attributes = cleared_attributes();
    attributes.query.target_fd = static_cast<__u32>(group.number());
    attributes.query.attach_type = BPF_CGROUP_DEVICE;
    attributes.query.prog_ids = address_of(ids.data());
    attributes.query.prog_cnt = static_cast<__u32>(ids.size());
    check(bpf(BPF_PROG_QUERY, attributes), "bpf", "device rules of the group");
    ids.resize(attributes.query.prog_cnt);
    return ids;
}

void detach_device_program(std::uint32_t id, FdRef group) {
    bpf_attr attributes = cleared_attributes();
    attributes.prog_id = id;
    try {
        const UniqueFd program{static_cast<int>(
            check(bpf(BPF_PROG_GET_FD_BY_ID, attributes), "bpf", "old device rules"))};
        attributes = cleared_attributes();
        attributes.target_fd = static_cast<__u32>(group.number());
        attributes.attach_bpf_fd = static_cast<__u32>(program.ref().number());
        attributes.attach_type = BPF_CGROUP_DEVICE;
        check(bpf(BPF_PROG_DETACH, attributes), "bpf", "old device rules");
    } catch (const SysError& error) {
        if (error.error() != ENOENT) throw;
    }
}

}  // namespace tenon::sys
