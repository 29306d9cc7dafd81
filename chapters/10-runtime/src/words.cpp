// What callers look for: containerd and podman decide by these texts what an error means.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "tenon/container.hpp"

namespace tenon {

namespace {

constexpr std::array<std::string_view, 5> names{"creating", "created", "running", "paused",
                                                "stopped"};
constexpr std::size_t longest_id = 255;  // it is the name of a folder

bool is_id_character(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view{"_+-."}.find(c) != std::string_view::npos;
}

std::string refusal_to_start(ContainerStatus status) {
    switch (status) {
        case ContainerStatus::Running: return "cannot start an already running container";
        case ContainerStatus::Stopped: return "cannot start a container that has stopped";
        default:
            return fmt::format("cannot start a container in the {} state", status_name(status));
    }
}

std::string refusal(ContainerStatus status, Operation operation, std::string_view id) {
    switch (operation) {
        case Operation::Start: return refusal_to_start(status);
        case Operation::Exec:
            return status == ContainerStatus::Paused
                       ? "cannot exec in a paused container (use --ignore-paused to override)"
                       : "cannot exec in a stopped container";
        case Operation::Resume: return "container not paused";
        case Operation::Delete:
            return fmt::format("cannot delete container {} that is not stopped: {}", id,
                               status_name(status));
        default: return "container not running";
    }
}

}  // namespace

std::string_view status_name(ContainerStatus status) {
    return names[static_cast<std::size_t>(status)];
}

void require(ContainerStatus status, Operation operation, std::string_view id) {
    if (!next_status(status, operation)) throw ContainerError(refusal(status, operation, id));
}

void check_id(std::string_view id) {
    const bool right = !id.empty() && id.size() <= longest_id && id != "." && id != ".." &&
                       std::all_of(id.begin(), id.end(), is_id_character);
    if (!right) throw ContainerError("invalid container ID format");
}

}  // namespace tenon
