// Layers that import_layer() made, on top of each other, and what the kernel shows of them.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "kernel_view.hpp"
#include "sandbox.hpp"
#include "story.hpp"
#include "tar_archive.hpp"
#include "tenon/error.hpp"
#include "tenon/file_syscalls.hpp"
#include "tenon/layer_import.hpp"
#include "tenon/syscalls.hpp"

namespace tenon::test {

inline UniqueFd file_with(std::string_view content) {
    const int number = ::memfd_create("tenon-test-blob", MFD_CLOEXEC);
    UniqueFd file{static_cast<int>(check(number, "memfd_create"))};
    sys::pwrite_all(file, std::as_bytes(std::span{content}), 0, "blob");
    return file;
}

inline UniqueFd open_path(const std::filesystem::path& path) {
    return sys::openat(FdRef::working_directory(), path, O_PATH | O_NOFOLLOW);
}

inline struct stat status_of(const std::filesystem::path& path) {
    return sys::fstatat(FdRef::working_directory(), path);
}

inline bool is_there(const std::filesystem::path& path) {
    return sys::fstatat_if_present(FdRef::working_directory(), path).has_value();
}

class Imported {
  public:
    // Everything belongs to the caller unless real root runs the test.
    static ImportOptions options() { return {.limits = {}, .keep_owners = is_real_root()}; }

    // Imports `blob` as a new topmost layer.
    ImportReport add_blob(std::string_view blob,
                          const ImportOptions& options = Imported::options()) {
        const LayerStack below = stack();
        const std::filesystem::path layer = directory_.path() / std::to_string(layers_.size());
        std::filesystem::create_directory(layer);
        layers_.insert(layers_.begin(), layer);
        const UniqueFd folder = sys::openat(FdRef::working_directory(), layer, O_PATH);
        return import_layer(file_with(blob), folder, below, options);
    }
    ImportReport add(const std::vector<TarEntry>& entries,
                     const ImportOptions& options = Imported::options()) {
        return add_blob(tar_archive(entries), options);
    }
    // What it was told, or "accepted".
    std::string refusal(const std::vector<TarEntry>& entries,
                        const ImportOptions& options = Imported::options()) {
        return refusal_of_blob(tar_archive(entries), options);
    }
    std::string refusal_of_blob(std::string_view blob,
                                const ImportOptions& options = Imported::options()) {
        try {
            add_blob(blob, options);
        } catch (const std::runtime_error& error) {
            return error.what();
        }
        return "accepted";
    }

    [[nodiscard]] LayerStack stack() const {
        std::vector<UniqueFd> layers;
        layers.reserve(layers_.size());
        for (const auto& layer : layers_) {
            layers.push_back(sys::openat(FdRef::working_directory(), layer, O_PATH));
        }
        return LayerStack{std::move(layers)};
    }
    // The topmost layer's folder.
    [[nodiscard]] const std::filesystem::path& top() const { return layers_.front(); }
    [[nodiscard]] const std::filesystem::path& outside() const { return directory_.path(); }

    // Runs `look` while the kernel shows all layers as one, read-only.
    void mounted(const std::function<void(const std::filesystem::path&)>& look) const {
        const TemporaryDirectory bottom;
        const TemporaryDirectory target;
        std::string data = is_real_root() ? "lowerdir=" : "userxattr,lowerdir=";
        for (const auto& layer : layers_) data += layer.native() + ":";
        data += bottom.path().native();
        check(::mount("overlay", target.path().c_str(), "overlay", MS_RDONLY, data.c_str()),
              "mount", data);
        try {
            look(target.path());
        } catch (...) {
            ::umount2(target.path().c_str(), MNT_DETACH);
            throw;
        }
        check(::umount2(target.path().c_str(), MNT_DETACH), "umount2");
    }
    // The content of a file as the container would see it; what else there is, in words.
    [[nodiscard]] std::string shown(const std::string& path) const {
        std::string text = "nothing";
        mounted([&](const std::filesystem::path& root) {
            if (!is_there(root / path)) return;
            const mode_t mode = status_of(root / path).st_mode;
            text = S_ISDIR(mode)   ? "a folder"
                   : S_ISLNK(mode) ? "a link"
                   : S_ISREG(mode) ? read_file(root / path)
                                   : "something else";
        });
        return text;
    }

  private:
    TemporaryDirectory directory_;
    std::vector<std::filesystem::path> layers_;  // the topmost first
};

}  // namespace tenon::test
