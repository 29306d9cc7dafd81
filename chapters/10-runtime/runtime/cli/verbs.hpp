// The verbs, one file each: option table, struct, one library call, exit code.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "command_line.hpp"
#include "tenon/container.hpp"
#include "tenon/log.hpp"

namespace tenon::cli {

// What stands before the verb.
struct Global {
    std::string root;
    std::string log;
    bool json_log = false;
    bool debug = false;
    bool systemd_cgroup = false;
    std::optional<bool> rootless;  // nothing: auto
    std::string cgroup_manager = "cgroupfs";
    std::span<char* const> arguments;  // of main()
};

using Words = std::span<const std::string>;

int create(const Global& global, Words words);
int start(const Global& global, Words words);
int state(const Global& global, Words words);
int kill(const Global& global, Words words);
int remove(const Global& global, Words words);
int run(const Global& global, Words words);
int exec(const Global& global, Words words);
int list(const Global& global, Words words);
int ps(const Global& global, Words words);
int pause(const Global& global, Words words);
int resume(const Global& global, Words words);
int update(const Global& global, Words words);
int events(const Global& global, Words words);
int spec(const Global& global, Words words);
int features(const Global& global, Words words);
int checkpoint(const Global& global, Words words);
int restore(const Global& global, Words words);

// The container that a command is about. Throws NoContainer.
Container load(const Global& global, const std::string& id);

// Container::remove(), and what an extension has left on the host.
void remove_container(const Global& global, const Container& container, bool by_force);
// The same, after the container's end, which others may have seen, too: it is no error that one of
// them was first.
void remove_ended(const Global& global, const Container& container, bool by_force);

// What `body` returns. Whatever goes wrong in it, the container goes.
template <typename Body>
auto or_remove(const Global& global, const Container& container, const Body& body) {
    try {
        return body();
    } catch (...) {
        remove_ended(global, container, true);
        throw;
    }
}

// What an ordinary command prints.
void print(std::string_view text);

// state_json() with what engines ask for besides: rootfs, created, owner.
std::string full_state(const Container& container, const std::string& owner);

// The name of the user who owns the folder of --root.
std::string owner_of(const std::string& root);

}  // namespace tenon::cli
