// The five sets as wished, as there are, and as they will be. Only the first two functions ask the
// kernel anything.
//
// The specification wants a container to start without a capability that cannot be had, and a
// warning. So a wish is trimmed to what the kernel will accept before the child is made: capset
// would refuse all of it for one bit too many. man 2 capset, "EPERM"
#include <fmt/format.h>
#include <linux/capability.h>

#include "tenon/capabilities.hpp"
#include "tenon/capability_syscalls.hpp"
#include "tenon/own_status.hpp"

namespace tenon {

Capability last_capability() {
    if (sys::capbset_read(CAP_LAST_CAP) && !sys::capbset_read(CAP_LAST_CAP + 1)) {
        return CAP_LAST_CAP;  // as of this program's headers, most likely
    }
    // The kernel knows all up to some number, and none beyond: so the middle is asked first.
    Capability known = 0;
    Capability unknown = capability_room;
    while (unknown - known > 1) {
        const Capability middle = known + (unknown - known) / 2;
        (sys::capbset_read(middle) ? known : unknown) = middle;
    }
    return known;
}

namespace {

CapabilitySet own_bounding() {
    if (const auto told = own_status_set("CapBnd")) return CapabilitySet::from_bits(*told);
    CapabilitySet bounding;
    for (Capability number = 0; number < capability_room; ++number) {
        const std::optional<bool> present = sys::capbset_read(number);
        if (!present) break;
        if (*present) bounding.insert(number);
    }
    return bounding;
}

}  // namespace

Capabilities own_capabilities() {
    const sys::CapabilityBits bits = sys::capget();
    Capabilities own{.bounding = own_bounding(),
                     .effective = CapabilitySet::from_bits(bits.effective),
                     .inheritable = CapabilitySet::from_bits(bits.inheritable),
                     .permitted = CapabilitySet::from_bits(bits.permitted),
                     .ambient = {}};
    // What is not inheritable is not ambient. capabilities(7)
    for (const Capability number : own.inheritable.members()) {
        if (sys::ambient_is_set(number)) own.ambient.insert(number);
    }
    return own;
}

Capabilities capabilities_of_a_new_user_namespace(Capability last) {
    const CapabilitySet all = CapabilitySet::up_to(last);
    return {.bounding = all, .effective = all, .inheritable = {}, .permitted = all, .ambient = {}};
}

namespace {

// One list of config.json. A set says each unknown name once, however often it is listed.
class SetReader {
  public:
    SetReader(Capability last, std::vector<std::string>& warnings)
        : last_(last), warnings_(warnings) {}

    CapabilitySet read(const std::vector<std::string>& names, std::string_view set_name) {
        CapabilitySet set;
        for (const std::string& name : names) {
            const std::optional<Capability> number = capability_from(name);
            if (!number) {
                warn(set_name, name, "there is no such capability");
            } else if (*number > last_) {
                warn(set_name, name, "this kernel does not know it");
            } else {
                set.insert(*number);
            }
        }
        return set;
    }

  private:
    void warn(std::string_view set_name, std::string_view name, std::string_view why) {
        std::string text = fmt::format("capability {} ({}): {}, left out", name, set_name, why);
        for (const std::string& said : warnings_) {
            if (said == text) return;
        }
        warnings_.push_back(std::move(text));
    }

    Capability last_;
    std::vector<std::string>& warnings_;
};

CapabilitySet trimmed(const CapabilitySet& wanted, const CapabilitySet& possible,
                      std::string_view why, std::vector<std::string>& warnings) {
    const CapabilitySet missing = wanted - possible;
    if (!missing.empty()) {
        warnings.push_back(fmt::format("{}: {}, left out", names_of(missing), why));
    }
    return wanted & possible;
}

}  // namespace

Capabilities capabilities_from(const oci::Capabilities& names, Capability last,
                               std::vector<std::string>& warnings) {
    SetReader reader{last, warnings};
    return {.bounding = reader.read(names.bounding, "bounding"),
            .effective = reader.read(names.effective, "effective"),
            .inheritable = reader.read(names.inheritable, "inheritable"),
            .permitted = reader.read(names.permitted, "permitted"),
            .ambient = reader.read(names.ambient, "ambient")};
}

Capabilities obtainable(const Capabilities& wanted, const Capabilities& available,
                        std::vector<std::string>& warnings) {
    Capabilities got;
    got.bounding = trimmed(wanted.bounding, available.bounding,
                           "not in the caller's own bounding set", warnings);
    got.permitted =
        trimmed(wanted.permitted, available.permitted, "the caller does not have it", warnings);
    got.effective =
        trimmed(wanted.effective, got.permitted, "effective, but not permitted", warnings);
    // capset adds to inheritable only what the bounding set still has, and it is lowered first.
    got.inheritable = trimmed(wanted.inheritable, available.inheritable | got.bounding,
                              "inheritable, but not in the bounding set", warnings);
    got.ambient = trimmed(wanted.ambient, got.permitted & got.inheritable,
                          "ambient, but not both permitted and inheritable", warnings);
    return got;
}

Capabilities after_exec(const Capabilities& before, bool root, bool no_new_privileges) {
    // Root's programs count as files with every capability, permitted and inheritable.
    CapabilitySet from_file = root ? before.inheritable | before.bounding : CapabilitySet{};
    if (no_new_privileges) from_file = from_file & before.permitted;
    Capabilities after = before;
    after.permitted = from_file | before.ambient;
    after.effective = root ? after.permitted : before.ambient;
    return after;
}

}  // namespace tenon
