#include "kernel_view.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <sstream>

namespace tenon::test {

namespace fs = std::filesystem;

namespace {

// mountinfo writes blank, tab, newline and backslash as \ooo.
std::string unescape(const std::string& text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 3 < text.size()) {
            out += static_cast<char>(std::stoi(text.substr(i + 1, 3), nullptr, 8));
            i += 3;
        } else {
            out += text[i];
        }
    }
    return out;
}

MountInfo parse_mount(const std::string& line) {
    std::istringstream fields{line};
    MountInfo mount;
    std::string device;
    fields >> mount.id >> mount.parent >> device >> mount.root >> mount.mount_point >>
        mount.options;
    for (std::string tag; fields >> tag && tag != "-";) mount.propagation += tag + " ";
    fields >> mount.fstype >> mount.source >> mount.super_options;
    mount.mount_point = unescape(mount.mount_point);
    return mount;
}

std::mt19937_64& generator() {
    static std::mt19937_64 engine = [] {
        const char* given = std::getenv("TENON_SEED");
        const std::uint64_t seed =
            given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
        std::cerr << "random seed " << seed << " (TENON_SEED repeats it)\n";
        return std::mt19937_64{seed};
    }();
    return engine;
}

}  // namespace

bool MountInfo::has_option(std::string_view option) const {
    std::istringstream list{options};
    for (std::string word; std::getline(list, word, ',');) {
        if (word == option) return true;
    }
    return false;
}

std::vector<MountInfo> mounts_of(const std::string& pid) {
    std::ifstream file{"/proc/" + pid + "/mountinfo"};
    std::vector<MountInfo> mounts;
    for (std::string line; std::getline(file, line);) mounts.push_back(parse_mount(line));
    return mounts;
}

bool has_mount_at(const std::vector<MountInfo>& mounts, const std::string& mount_point) {
    for (const MountInfo& mount : mounts) {
        if (mount.mount_point == mount_point) return true;
    }
    return false;
}

std::uint64_t namespace_inode(const std::string& pid, std::string_view kind) {
    struct stat status {};
    const std::string path = "/proc/" + pid + "/ns/" + std::string{kind};
    return ::stat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

std::string status_field(pid_t pid, std::string_view field) {
    std::ifstream file{"/proc/" + std::to_string(pid) + "/status"};
    const std::string prefix = std::string{field} + ":";
    for (std::string line; std::getline(file, line);) {
        if (!line.starts_with(prefix)) continue;
        const auto begin = line.find_first_not_of(" \t", prefix.size());
        return begin == std::string::npos ? std::string{} : line.substr(begin);
    }
    return {};
}

fs::path temporary_root() {
    static const fs::path root = [] {
        std::string name = (fs::temp_directory_path() / "tenon-test-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp " + name);
        return fs::path{name};
    }();
    return root;
}

TemporaryDirectory::TemporaryDirectory() : path_(temporary_root() / random_name(12)) {
    fs::create_directory(path_);
}

TemporaryDirectory::~TemporaryDirectory() {
    std::error_code left;  // what stays is found by the leak check
    fs::remove_all(path_, left);
}

std::uint64_t random_below(std::uint64_t limit) {
    return std::uniform_int_distribution<std::uint64_t>{0, limit - 1}(generator());
}

std::string random_name(std::size_t length) {
    constexpr std::string_view alphabet = "abcdefghijklmnopqrstuvwxyz0123456789";
    std::string name = "t";
    while (name.size() < length) name += alphabet[random_below(alphabet.size())];
    return name;
}

void write_file(const fs::path& path, std::string_view content) {
    std::ofstream{path} << content;
}

std::string read_file(const fs::path& path) {
    std::ifstream file{path};
    return {std::istreambuf_iterator<char>{file}, {}};
}

}  // namespace tenon::test
