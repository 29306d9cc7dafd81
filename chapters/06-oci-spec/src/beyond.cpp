// What a config asks for and a stage does not do. A runtime that drops a wish in silence is less
// safe than its user thinks: so each is told, with the chapter that fulfils it. What no lesson is
// about, tenon-oci does.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "tenon/bundle_plan.hpp"
#include "tenon/log.hpp"

namespace tenon {

namespace {

class Findings {
  public:
    void add_if(bool asked_for, std::string text) {
        if (asked_for) texts_.push_back(std::move(text));
    }
    [[nodiscard]] std::vector<std::string> take() { return std::move(texts_); }

  private:
    std::vector<std::string> texts_;
};

void add_process(Findings& findings, const oci::Process& process, const Abilities& abilities) {
    findings.add_if(process.terminal && !abilities.init, "process.terminal (chapter 07)");
    if (abilities.privileges) return;
    findings.add_if(process.capabilities.has_value(), "process.capabilities (chapter 08)");
    findings.add_if(process.no_new_privileges, "process.noNewPrivileges (chapter 08)");
    findings.add_if(!process.apparmor_profile.empty(), "process.apparmorProfile (chapter 08)");
    findings.add_if(!process.selinux_label.empty(), "process.selinuxLabel (chapter 08)");
}

// Every engine forbids all devices first and allows the usual ones then. The nodes themselves are
// all that this container gets, so such a list adds nothing; a rule that takes one away does.
bool forbids_some(const std::vector<oci::DeviceRule>& rules) {
    return std::any_of(rules.begin(), rules.end(), [](const oci::DeviceRule& rule) {
        const bool all = rule.type.empty() || rule.type == "a";
        return !rule.allow && !(all && !rule.major && !rule.minor);
    });
}

void add_linux(Findings& findings, const oci::Linux& config, const Abilities& abilities) {
    findings.add_if(config.seccomp && !abilities.privileges, "linux.seccomp (chapter 08)");
    findings.add_if(!config.mount_label.empty() && !abilities.privileges,
                    "linux.mountLabel (chapter 08)");
    const bool maps = !config.uid_mappings.empty() || !config.gid_mappings.empty();
    findings.add_if(maps && !abilities.id_mappings,
                    "linux.uidMappings and gidMappings (chapter 09): ids inside are those outside");
    findings.add_if(!config.net_devices.empty(), "linux.netDevices (chapter 10, tenon-oci)");
    findings.add_if(config.intel_rdt.has_value(), "linux.intelRdt (chapter 10, tenon-oci)");
    findings.add_if(config.resources && forbids_some(config.resources->devices),
                    "linux.resources.devices (chapter 10, tenon-oci)");
}

void add_mount(Findings& findings, const oci::Mount& mount, std::size_t index,
               const Abilities& abilities) {
    const auto has = [&](const char* word) {
        return std::find(mount.options.begin(), mount.options.end(), word) != mount.options.end();
    };
    const bool maps = !mount.uid_mappings.empty() || !mount.gid_mappings.empty();
    findings.add_if(!abilities.id_mappings && (maps || has("idmap") || has("ridmap")),
                    fmt::format("mounts[{}]: id mapping (chapter 09)", index));
    findings.add_if(has("iversion") || has("noiversion"),
                    fmt::format("mounts[{}]: iversion (left to the file system)", index));
}

bool has_any(const oci::Hooks& hooks) {
    const std::array all{&hooks.prestart,        &hooks.create_runtime, &hooks.create_container,
                         &hooks.start_container, &hooks.poststart,      &hooks.poststop};
    return std::any_of(all.begin(), all.end(), [](const auto* list) { return !list->empty(); });
}

}  // namespace

std::vector<std::string> beyond(const oci::Spec& spec, const Abilities& abilities) {
    Findings findings;
    if (spec.process) add_process(findings, *spec.process, abilities);
    if (spec.linux) add_linux(findings, *spec.linux, abilities);
    for (std::size_t i = 0; i < spec.mounts.size(); ++i) {
        add_mount(findings, spec.mounts[i], i, abilities);
    }
    findings.add_if(spec.hooks && has_any(*spec.hooks) && !abilities.hooks, "hooks (chapter 10)");
    return findings.take();
}

void warn_of_beyond(const oci::Spec& spec, const Abilities& abilities) {
    const Log log{FdRef{STDERR_FILENO}};
    for (const std::string& text : beyond(spec, abilities)) {
        log.warning("config.json asks for what this stage does not do: " + text);
    }
}

}  // namespace tenon
