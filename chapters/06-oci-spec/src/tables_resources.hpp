// The objects of `linux.resources`: see fields.hpp. runtime-spec 1.3.0, config-linux.md,
// "Control groups"
#pragma once

#include "fields.hpp"
#include "tenon/oci_resources.hpp"

namespace tenon::oci {

template <>
inline constexpr auto table<DeviceRule> = object("config-linux.md, Allowed Device list",
                                                 required("allow", &DeviceRule::allow),
                                                 optional("type", &DeviceRule::type),
                                                 optional("major", &DeviceRule::major),
                                                 optional("minor", &DeviceRule::minor),
                                                 optional("access", &DeviceRule::access));

template <>
inline constexpr auto table<Memory> =
    object("config-linux.md, Memory", optional("limit", &Memory::limit),
           optional("reservation", &Memory::reservation), optional("swap", &Memory::swap),
           optional("kernel", &Memory::kernel), optional("kernelTCP", &Memory::kernel_tcp),
           optional("swappiness", &Memory::swappiness),
           optional("disableOOMKiller", &Memory::disable_oom_killer),
           optional("useHierarchy", &Memory::use_hierarchy),
           optional("checkBeforeUpdate", &Memory::check_before_update));

template <>
inline constexpr auto table<Cpu> =
    object("config-linux.md, CPU", optional("shares", &Cpu::shares), optional("quota", &Cpu::quota),
           optional("burst", &Cpu::burst), optional("period", &Cpu::period),
           optional("realtimeRuntime", &Cpu::realtime_runtime),
           optional("realtimePeriod", &Cpu::realtime_period), optional("cpus", &Cpu::cpus),
           optional("mems", &Cpu::mems), optional("idle", &Cpu::idle));

template <>
inline constexpr auto table<Pids> = object("config-linux.md, PIDs",
                                           optional("limit", &Pids::limit));

template <>
inline constexpr auto table<WeightDevice> =
    object("config-linux.md, Block IO", required("major", &WeightDevice::major),
           required("minor", &WeightDevice::minor), optional("weight", &WeightDevice::weight),
           optional("leafWeight", &WeightDevice::leaf_weight));

template <>
inline constexpr auto table<ThrottleDevice> = object("config-linux.md, Block IO",
                                                     required("major", &ThrottleDevice::major),
                                                     required("minor", &ThrottleDevice::minor),
                                                     required("rate", &ThrottleDevice::rate));

template <>
inline constexpr auto table<BlockIo> =
    object("config-linux.md, Block IO", optional("weight", &BlockIo::weight),
           optional("leafWeight", &BlockIo::leaf_weight),
           optional("weightDevice", &BlockIo::weight_device),
           optional("throttleReadBpsDevice", &BlockIo::throttle_read_bps_device),
           optional("throttleWriteBpsDevice", &BlockIo::throttle_write_bps_device),
           optional("throttleReadIOPSDevice", &BlockIo::throttle_read_iops_device),
           optional("throttleWriteIOPSDevice", &BlockIo::throttle_write_iops_device));

template <>
inline constexpr auto table<HugepageLimit> = object("config-linux.md, Huge page limits",
                                                    required("pageSize", &HugepageLimit::page_size),
                                                    required("limit", &HugepageLimit::limit));

template <>
inline constexpr auto table<InterfacePriority> = object("config-linux.md, Network",
                                                        required("name", &InterfacePriority::name),
                                                        required("priority",
                                                                 &InterfacePriority::priority));

template <>
inline constexpr auto table<NetworkClass> = object("config-linux.md, Network",
                                                   optional("classID", &NetworkClass::class_id),
                                                   optional("priorities",
                                                            &NetworkClass::priorities));

template <>
inline constexpr auto table<Rdma> = object("config-linux.md, RDMA",
                                           optional("hcaHandles", &Rdma::hca_handles),
                                           optional("hcaObjects", &Rdma::hca_objects));

template <>
inline constexpr auto table<Resources> = object(
    "config-linux.md, Control groups",
    optional("devices", &Resources::devices).in("config-linux.md, Allowed Device list"),
    optional("memory", &Resources::memory), optional("cpu", &Resources::cpu),
    optional("pids", &Resources::pids), optional("blockIO", &Resources::block_io),
    optional("hugepageLimits", &Resources::hugepage_limits).in("config-linux.md, Huge page limits"),
    optional("network", &Resources::network), optional("rdma", &Resources::rdma),
    optional("unified", &Resources::unified).in("config-linux.md, Unified"));

}  // namespace tenon::oci
