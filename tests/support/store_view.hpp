// A layer store of the test's own. Its layers are laid by hand, file by file: the tests that use
// them test neither import nor commit.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "kernel_view.hpp"
#include "tenon/layer_store.hpp"

namespace tenon::test {

class TestStore {
  public:
    TestStore() : store_(LayerStore::open(directory_.path() / "store")) {}

    [[nodiscard]] LayerStore& store() const { return store_; }
    [[nodiscard]] const std::filesystem::path& path() const { return store_.path(); }

    // A layer with one file in it, named after it.
    [[nodiscard]] Layer layer(const std::optional<Digest>& parent, const std::string& file) const {
        namespace fs = std::filesystem;
        const std::string number = std::to_string(names("layers").size() + 1);
        const fs::path folder = path() / "layers" / number;
        const Digest diff = sha256(file);
        const Digest chain = chain_id(parent, diff);
        fs::create_directories(folder / "fs");
        write_file(folder / "fs" / file, file);
        write_file(folder / "diff_id", diff.text());
        write_file(folder / "parent", parent ? parent->text() : "");
        fs::create_symlink(number, path() / "chains" / chain.hex);
        return {diff, chain, "layers/" + number + "/fs"};
    }

    // Sorted.
    [[nodiscard]] std::vector<std::string> names(const std::string& folder) const {
        std::vector<std::string> found;
        for (const auto& entry : std::filesystem::directory_iterator(path() / folder)) {
            found.push_back(entry.path().filename().string());
        }
        std::sort(found.begin(), found.end());
        return found;
    }
    [[nodiscard]] bool is_empty_folder(const std::string& folder) const {
        return std::filesystem::is_directory(path() / folder) && names(folder).empty();
    }

  private:
    TemporaryDirectory directory_;
    mutable LayerStore store_;
};

}  // namespace tenon::test
