// A container as files, and back: what of it is the runtime's business. The rest is criu's.
#pragma once

#include <optional>
#include <string>

#include "criu_request.hpp"
#include "tenon/container.hpp"

namespace tenon::ext {

// What checkpoint and restore share.
struct CriuWishes {
    std::string image_path;  // absolute, as work_path
    std::string work_path;
    CriuCgroups cgroups = CriuCgroups::Soft;
    CriuFlags flags;
};

struct CheckpointWishes {
    CriuWishes criu;
    std::string parent_path;  // relative to image_path
    std::string page_server;  // empty: none
    unsigned page_server_port = 0;
    std::optional<FdRef> status;  // hears of lazy pages: a zero byte
    bool leave_running = false;
    bool pre_dump = false;
};

// Returns when the images are written; then the container has ended, unless it was to be left
// running. On an error it goes on as before.
// Throws std::runtime_error, ContainerError, SysError
void write_checkpoint(const ContainerRoot& root, const std::string& id,
                      const CheckpointWishes& wishes);

struct RestoreWishes {
    CriuWishes criu;
    std::string lsm_profile;
    std::string lsm_mount_context;
};

// For Container::adopt(): the first process comes from the images.
Adoption restoring(const RestoreWishes& wishes);

}  // namespace tenon::ext
