#include "intel_rdt.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <set>
#include <span>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "tenon/error.hpp"
#include "tenon/file_syscalls.hpp"
#include "tenon/kernel_file.hpp"
#include "tenon/messages.hpp"
#include "tenon/syscalls.hpp"
#include "tenon/trace.hpp"

namespace tenon::ext {

namespace {

constexpr const char* mount_point = "/sys/fs/resctrl";
constexpr long resctrl_magic = 0x7655821;  // linux/magic.h, RDTGROUP_SUPER_MAGIC
constexpr const char* note = "intelRdt";

bool is_there(FdRef tree, const std::string& group) {
    return sys::fstatat_if_present(tree, group).has_value();
}

// All that is said, in the specification's order: a later one wins.
std::vector<std::string> lines_of(const oci::IntelRdt& config) {
    std::vector<std::string> lines;
    if (!config.l3_cache_schema.empty()) lines.push_back(config.l3_cache_schema);
    if (!config.mem_bw_schema.empty()) lines.push_back(config.mem_bw_schema);
    lines.insert(lines.end(), config.schemata.begin(), config.schemata.end());
    return lines;
}

// `  L3:0=00ff;1=F` as "L3:0=ff" and "L3:1=f": the kernel writes the same value in other words.
void add_values(std::string line, std::set<std::string>& values) {
    std::erase_if(line, [](unsigned char c) { return std::isspace(c) != 0; });
    std::ranges::transform(line, line.begin(), [](unsigned char c) { return std::tolower(c); });
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) return;
    std::istringstream domains{line.substr(colon + 1)};
    for (std::string domain; std::getline(domains, domain, ';');) {
        const std::size_t equals = domain.find('=');
        if (equals == std::string::npos) continue;
        const std::size_t digits = domain.find_first_not_of('0', equals + 1);
        const std::string value = digits == std::string::npos ? "0" : domain.substr(digits);
        values.insert(line.substr(0, colon + 1) + domain.substr(0, equals + 1) + value);
    }
}

std::set<std::string> values_in(const std::string& text) {
    std::set<std::string> values;
    std::istringstream lines{text};
    for (std::string line; std::getline(lines, line);) add_values(line, values);
    return values;
}

// Somebody else may rely on what it gives now.
void require_same(FdRef tree, const std::string& group, const std::vector<std::string>& lines) {
    if (lines.empty()) return;
    const std::set<std::string> there = values_in(read_kernel_file(tree, group + "/schemata"));
    for (const std::string& line : lines) {
        for (const std::string& value : values_in(line)) {
            if (there.contains(value)) continue;
            throw std::runtime_error(fmt::format(
                "/linux/intelRdt: the class {} is there, and gives something else than '{}'", group,
                line));
        }
    }
}

void write_lines(FdRef tree, const std::string& group, const std::vector<std::string>& lines) {
    for (const std::string& line : lines) {
        write_kernel_file(tree, group + "/schemata", line + "\n");
    }
}

// What was made, gone again if the work does not come to its end.
class Made {
  public:
    explicit Made(const Resctrl& resctrl) : resctrl_(resctrl) {}
    Made(const Made&) = delete;
    Made& operator=(const Made&) = delete;
    ~Made() {
        try {
            remove_classes(resctrl_.tree, groups_);
        } catch (const std::exception& error) {
            tell_warning(error.what());
        }
    }
    void make(const std::string& group) {
        resctrl_.make_group(resctrl_.tree, group);
        groups_.push_back(group);
    }
    std::vector<std::string> take() { return std::exchange(groups_, {}); }

  private:
    const Resctrl& resctrl_;
    std::vector<std::string> groups_;
};

void prepare_class(const Resctrl& resctrl, const oci::IntelRdt& config, const std::string& group,
                   Made& made) {
    const std::vector<std::string> lines = lines_of(config);
    if (is_there(resctrl.tree, group)) return require_same(resctrl.tree, group, lines);
    if (lines.empty() && !config.clos_id.empty()) {
        throw std::runtime_error(fmt::format(
            "/linux/intelRdt/closID: there is no class {}, and nothing is said of it", group));
    }
    made.make(group);
    write_lines(resctrl.tree, group, lines);
}

// "/" is the class that everybody is in.
std::string group_for(const oci::IntelRdt& config, const std::string& id) {
    if (config.clos_id.empty()) return id;
    return config.clos_id == "/" ? "." : config.clos_id;
}

}  // namespace

Resctrl open_resctrl() {
    UniqueFd tree;
    try {
        tree = sys::openat(FdRef::working_directory(), mount_point, O_RDONLY | O_DIRECTORY);
    } catch (const SysError& error) {
        if (error.error() != ENOENT) throw;
    }
    if (!tree.valid() || sys::file_system_type(tree) != resctrl_magic) {
        throw std::runtime_error(
            "/linux/intelRdt: resctrl is not mounted at /sys/fs/resctrl: mount -t resctrl resctrl "
            "/sys/fs/resctrl, on a machine whose CPUs have RDT, or leave intelRdt out");
    }
    return {std::move(tree),
            [](FdRef at, const std::string& group) { sys::mkdirat(at, group, 0755); }};
}

std::vector<std::string> join_class(const Resctrl& resctrl, const oci::IntelRdt& config,
                                    const std::string& id, pid_t pid) {
    const std::string group = group_for(config, id);
    Made made{resctrl};
    prepare_class(resctrl, config, group, made);
    const std::string member = fmt::format("{}\n", pid);
    write_kernel_file(resctrl.tree, group + "/tasks", member);
    if (config.enable_monitoring) {
        const std::string monitor = group + "/mon_groups/" + id;
        made.make(monitor);
        write_kernel_file(resctrl.tree, monitor + "/tasks", member);
    }
    return made.take();
}

void change_class(const Resctrl& resctrl, const std::optional<oci::IntelRdt>& config,
                  const oci::IntelRdt& wanted, const std::string& id) {
    if (!config) throw std::runtime_error("cannot update: the container has no /linux/intelRdt");
    write_lines(resctrl.tree, group_for(*config, id), lines_of(wanted));
}

void remove_classes(FdRef tree, const std::vector<std::string>& groups) {
    for (const std::string& group : std::vector<std::string>{groups.rbegin(), groups.rend()}) {
        try {
            sys::unlinkat(tree, group, AT_REMOVEDIR);
        } catch (const SysError& error) {
            if (error.error() != ENOENT) throw;
        }
    }
}

IntelRdt::~IntelRdt() {
    if (kept()) return;
    try {
        remove_classes(resctrl_.tree, made_);
    } catch (const std::exception& error) {
        tell_warning(error.what());
    }
}

void IntelRdt::on_child_created(const Child& child) {
    const trace::Step step{10, "join a class of service", "its part of the cache"};
    made_ = join_class(resctrl_, config_, id_, child.pid());
    std::string text;
    for (const std::string& group : made_) text += group + "\n";
    const UniqueFd folder =
        sys::openat(FdRef::working_directory(), folder_, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    const UniqueFd file = sys::openat(folder, note, O_WRONLY | O_CREAT | O_EXCL, 0600);
    sys::write_all(file, std::as_bytes(std::span{text}), note);
}

std::vector<std::string> classes_of(const std::string& folder) {
    const std::optional<std::string> text =
        read_kernel_file_if_present(FdRef::working_directory(), folder + "/" + note);
    std::vector<std::string> groups;
    std::istringstream lines{text.value_or("")};
    for (std::string line; std::getline(lines, line);) groups.push_back(line);
    return groups;
}

}  // namespace tenon::ext
