// The five sets as the kernel reports them of a process, read from outside; and sets by chance.
#pragma once

#include <fmt/format.h>

#include <string>

#include "kernel_view.hpp"
#include "tenon/capabilities.hpp"

namespace tenon::test {

inline CapabilitySet set_in_status(pid_t pid, std::string_view field) {
    return CapabilitySet::from_bits(std::stoull(status_field(pid, field), nullptr, 16));
}

// proc_pid_status(5): CapInh, CapPrm, CapEff, CapBnd, CapAmb.
inline Capabilities capabilities_of(pid_t pid) {
    return {.bounding = set_in_status(pid, "CapBnd"),
            .effective = set_in_status(pid, "CapEff"),
            .inheritable = set_in_status(pid, "CapInh"),
            .permitted = set_in_status(pid, "CapPrm"),
            .ambient = set_in_status(pid, "CapAmb")};
}

inline std::string in_words(const Capabilities& sets) {
    return fmt::format("bounding {}; permitted {}; effective {}; inheritable {}; ambient {}",
                       names_of(sets.bounding), names_of(sets.permitted), names_of(sets.effective),
                       names_of(sets.inheritable), names_of(sets.ambient));
}

// Each member by chance.
inline CapabilitySet random_part_of(const CapabilitySet& whole) {
    CapabilitySet part;
    for (const Capability member : whole.members()) {
        if (random_below(2) == 1) part.insert(member);
    }
    return part;
}

// What a process of the tests starts with: some machines keep a capability even from root.
inline CapabilitySet all_we_have() {
    const Capabilities own = own_capabilities();
    return own.permitted & own.bounding;
}

// Five sets that the kernel accepts, each a part of those on which it stands.
inline Capabilities random_capabilities(const CapabilitySet& all) {
    Capabilities sets;
    sets.bounding = random_part_of(all);
    sets.permitted = random_part_of(all);
    sets.effective = random_part_of(sets.permitted);
    sets.inheritable = random_part_of(sets.bounding);
    sets.ambient = random_part_of(sets.permitted & sets.inheritable);
    return sets;
}

}  // namespace tenon::test
