// Fuzz target: import_layer() on any bytes. Whatever they say, the sanitizers must be quiet, and
// nothing may exist outside the layer's folder afterwards.
//
// The input is a layer's blob. Below it lies a layer with what an attack needs: links that lead
// out, absolute and climbing, a folder, a file. The canary beside the layers must stay as it is.
//
//   cmake -S . -B build/fuzz -G Ninja -DCMAKE_CXX_COMPILER=clang++
//   -DTENON_FUZZ=ON
//   cmake --build build/fuzz --target import_fuzz
//   mkdir -p build/fuzz/found
//   build/fuzz/bin/import_fuzz -max_len=65536 build/fuzz/found tests/fuzz/corpus
//
// Without TENON_FUZZ it has a main() of its own (replay.cpp), which runs the committed corpus and
// mutations of it: tests/shell/test_ch04_fuzz.py.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "tenon/error.hpp"
#include "tenon/file_syscalls.hpp"
#include "tenon/layer_import.hpp"
#include "tenon/syscalls.hpp"

namespace {

namespace fs = std::filesystem;
using tenon::FdRef;
using tenon::UniqueFd;

UniqueFd open_folder(const fs::path& path) {
    return tenon::sys::openat(FdRef::working_directory(), path, O_PATH | O_DIRECTORY);
}

void write_text(const fs::path& path, std::string_view text) {
    const UniqueFd file =
        tenon::sys::openat(FdRef::working_directory(), path, O_WRONLY | O_CREAT | O_EXCL, 0644);
    tenon::sys::write_all(file, std::as_bytes(std::span{text}), path.native());
}

// So that an ordinary user may remove what the archive closed.
void open_up(const fs::path& folder) {
    fs::permissions(folder, fs::perms::owner_all, fs::perm_options::add);
    for (const auto& entry : fs::directory_iterator(folder)) {
        if (entry.is_directory() && !entry.is_symlink()) open_up(entry.path());
    }
}

// One for the whole run, in a folder of its own that is removed at the end.
class Arena {
  public:
    Arena() {
        std::string name = fs::temp_directory_path() / "tenon-fuzz-XXXXXX";
        if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp " + name);
        root_ = name;
        fs::create_directories(root_ / "below/usr/lib");
        fs::create_directory(root_ / "victim");
        write_text(root_ / "victim/file", "untouched");
        write_text(root_ / "below/file", "below");
        fs::create_symlink(root_ / "victim", root_ / "below/out");
        fs::create_symlink("../victim", root_ / "below/up");
        fs::create_symlink("usr/lib", root_ / "below/lib");
        before_ = canary();
    }
    Arena(const Arena&) = delete;
    Arena& operator=(const Arena&) = delete;
    ~Arena() {
        std::error_code ignored;
        fs::remove_all(root_, ignored);
    }

    void run(std::span<const std::byte> blob) const {
        fs::create_directory(root_ / "layer");
        import(blob);
        if (canary() != before_) {
            std::fputs("import_fuzz: something outside the layer was changed\n", stderr);
            std::abort();
        }
        open_up(root_ / "layer");
        fs::remove_all(root_ / "layer");
    }

  private:
    void import(std::span<const std::byte> blob) const {
        const UniqueFd file{
            static_cast<int>(tenon::check(::memfd_create("blob", MFD_CLOEXEC), "memfd_create"))};
        tenon::sys::pwrite_all(file, blob, 0, "blob");
        std::vector<UniqueFd> below;
        below.push_back(open_folder(root_ / "below"));
        // Not as root even for root: a file that belongs to 4294967294 says nothing new. And small.
        const tenon::ImportOptions options{
            .limits = {.bytes = 1 << 20, .entries = 1000, .path_depth = 64}, .keep_owners = false};
        try {
            tenon::import_layer(file, open_folder(root_ / "layer"),
                                tenon::LayerStack{std::move(below)}, options);
        } catch (const std::runtime_error&) {
            // Refused, as most inputs are. Anything else than a runtime_error ends the run.
        }
    }

    // Every name outside the layer with its kind, size, links and times.
    [[nodiscard]] std::string canary() const {
        std::string text;
        for (const auto& entry : fs::recursive_directory_iterator(root_)) {
            if (entry.path().native().starts_with((root_ / "layer").native())) continue;
            const struct stat status =
                tenon::sys::fstatat(FdRef::working_directory(), entry.path());
            text += entry.path().native() + " " + std::to_string(status.st_mode) + " " +
                    std::to_string(status.st_size) + " " + std::to_string(status.st_nlink) + " " +
                    std::to_string(status.st_mtim.tv_nsec) + "\n";
        }
        return text;
    }

    fs::path root_;
    std::string before_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    static const Arena arena;
    arena.run(std::as_bytes(std::span{data, size}));
    return 0;
}
