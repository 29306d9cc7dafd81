// One table from the words people write to the bits the kernel takes. A word with an "r" in
// front means the same for this mount and every one below (mount_setattr with AT_RECURSIVE).
#include <sys/mount.h>

#include <array>
#include <filesystem>
#include <stdexcept>

#include <fmt/format.h>

#include "tenon/mount_plan.hpp"

namespace tenon {

namespace {

struct OptionWord {
    std::string_view word;
    std::uint64_t set;
    std::uint64_t clear;
};

// Access times are one field of three values: setting one clears the field first, or the kernel
// refuses with EINVAL. mount_setattr(2), MOUNT_ATTR__ATIME
constexpr std::array attribute_words{
    OptionWord{"ro", MOUNT_ATTR_RDONLY, 0},
    OptionWord{"rw", 0, MOUNT_ATTR_RDONLY},
    OptionWord{"nosuid", MOUNT_ATTR_NOSUID, 0},
    OptionWord{"suid", 0, MOUNT_ATTR_NOSUID},
    OptionWord{"nodev", MOUNT_ATTR_NODEV, 0},
    OptionWord{"dev", 0, MOUNT_ATTR_NODEV},
    OptionWord{"noexec", MOUNT_ATTR_NOEXEC, 0},
    OptionWord{"exec", 0, MOUNT_ATTR_NOEXEC},
    OptionWord{"noatime", MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME},
    OptionWord{"atime", 0, MOUNT_ATTR__ATIME},
    OptionWord{"relatime", 0, MOUNT_ATTR__ATIME},
    OptionWord{"norelatime", 0, MOUNT_ATTR__ATIME},
    OptionWord{"strictatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME},
    OptionWord{"nostrictatime", 0, MOUNT_ATTR__ATIME},
    OptionWord{"nodiratime", MOUNT_ATTR_NODIRATIME, 0},
    OptionWord{"diratime", 0, MOUNT_ATTR_NODIRATIME},
    OptionWord{"nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0},
    OptionWord{"symfollow", 0, MOUNT_ATTR_NOSYMFOLLOW},
};

struct PropagationWord {
    std::string_view word;
    std::uint64_t propagation;
};

constexpr std::array propagation_words{
    PropagationWord{"private", MS_PRIVATE},
    PropagationWord{"slave", MS_SLAVE},
    PropagationWord{"shared", MS_SHARED},
    PropagationWord{"unbindable", MS_UNBINDABLE},
};

// A later word overrides an earlier one: what it sets is no longer cleared, and the other way.
void merge(std::uint64_t& set, std::uint64_t& clear, const OptionWord& row) {
    set = (set & ~row.clear) | row.set;
    clear = (clear & ~row.set) | row.clear;
}

// A recursive word speaks of the top mount as well, so it overrides what plain words said of it.
// The other way round there is nothing to undo: plain words are applied after the recursive ones.
void take_recursive(MountAttributes& attributes, const OptionWord& row) {
    merge(attributes.recursive_set, attributes.recursive_clear, row);
    attributes.set &= ~(row.set | row.clear);
    attributes.clear &= ~(row.set | row.clear);
}

bool take_attribute(std::string_view word, MountAttributes& attributes) {
    for (const OptionWord& row : attribute_words) {
        if (word == row.word) {
            merge(attributes.set, attributes.clear, row);
            return true;
        }
        if (word.front() == 'r' && word.substr(1) == row.word) {
            take_recursive(attributes, row);
            return true;
        }
    }
    return false;
}

bool take_propagation(std::string_view word, MountAttributes& attributes) {
    for (const PropagationWord& row : propagation_words) {
        const bool recursive = word.front() == 'r' && word.substr(1) == row.word;
        if (!recursive && word != row.word) continue;
        attributes.propagation = row.propagation;
        attributes.recursive_propagation = recursive;
        return true;
    }
    return false;
}

bool take_bind(std::string_view word, MountOptions& options) {
    if (word != "bind" && word != "rbind") return false;
    options.bind = true;
    options.recursive_bind = word == "rbind";
    return true;
}

struct SplitText {
    std::string first;
    std::string rest;
    bool parted;
};

SplitText split_at_colon(std::string_view text) {
    const auto colon = text.find(':');
    if (colon == std::string_view::npos) return {std::string{text}, {}, false};
    return {std::string{text.substr(0, colon)}, std::string{text.substr(colon + 1)}, true};
}

// Cleaned as text, as Docker does it: `/new/../data` needs no folder "new". What is a symbolic
// link in it is found out later, inside the root.
std::string clean_target(std::string_view option, std::string_view target) {
    if (!target.starts_with('/')) {
        throw std::invalid_argument(
            fmt::format("{}: '{}' is not an absolute path in the container", option, target));
    }
    std::string clean = std::filesystem::path{target}.lexically_normal().string();
    if (clean.size() > 1 && clean.ends_with('/')) clean.pop_back();
    if (clean == "/") {
        throw std::invalid_argument(
            fmt::format("{}: '{}' is the root itself: that is what --rootfs says", option, target));
    }
    return clean;
}

}  // namespace

MountOptions parse_mount_options(std::string_view list) {
    MountOptions options;
    std::string_view rest = list;
    while (!rest.empty()) {
        const std::string_view word = rest.substr(0, rest.find(','));
        if (word.empty() || rest.size() == word.size() + 1) {
            throw std::invalid_argument(fmt::format("mount options '{}': one is empty", list));
        }
        rest.remove_prefix(std::min(word.size() + 1, rest.size()));
        if (take_bind(word, options) || take_attribute(word, options.attributes) ||
            take_propagation(word, options.attributes) || word == "defaults") {
            continue;
        }
        options.data.emplace_back(word);
    }
    return options;
}

MountStep parse_bind(std::string_view text) {
    const SplitText source = split_at_colon(text);
    const SplitText target = split_at_colon(source.rest);
    if (source.first.empty() || !source.parted) {
        throw std::invalid_argument(fmt::format("--bind '{}': write SRC:DST[:options]", text));
    }
    if (target.parted && target.rest.empty()) {
        throw std::invalid_argument(
            fmt::format("--bind '{}': no option follows the last colon", text));
    }
    const std::string inside = clean_target("--bind", target.first);
    const MountOptions options = parse_mount_options(target.rest);
    if (!options.data.empty()) {
        throw std::invalid_argument(
            fmt::format("--bind: '{}' is no option of a bind mount", options.data.front()));
    }
    MountStep step{.kind = MountKind::Bind, .source = source.first, .target = inside};
    step.attributes = options.attributes;
    step.recursive = !options.bind || options.recursive_bind;
    return step;
}

MountStep parse_tmpfs(std::string_view text) {
    const SplitText target = split_at_colon(text);
    const std::string inside = clean_target("--tmpfs", target.first);
    MountOptions options = parse_mount_options("nosuid,nodev,mode=1777");
    const MountOptions given = parse_mount_options(target.rest);
    if (given.bind) throw std::invalid_argument("--tmpfs: 'bind' is no option of a tmpfs");
    MountStep step{.kind = MountKind::Filesystem, .target = inside, .fstype = "tmpfs"};
    step.attributes = given.attributes;
    const std::uint64_t named = given.attributes.clear | given.attributes.recursive_clear;
    step.attributes.set |= options.attributes.set & ~named;
    step.data = std::move(options.data);
    step.data.insert(step.data.end(), given.data.begin(), given.data.end());
    return step;
}

}  // namespace tenon
