// config.json as a file of somebody else: what load_spec opens, and what it does not.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include "catch.hpp"
#include "configs.hpp"
#include "kernel_view.hpp"
#include "refusal.hpp"
#include "story.hpp"
#include "tenon/syscalls.hpp"

namespace tenon::test {

namespace {

namespace fs = std::filesystem;

// A folder with a config.json, or something else of that name.
class BundleFolder {
  public:
    BundleFolder() : fd_(sys::openat(FdRef::working_directory(), directory_.path(), O_RDONLY)) {}
    [[nodiscard]] fs::path config() const { return directory_.path() / "config.json"; }
    [[nodiscard]] fs::path other(const char* name) const { return directory_.path() / name; }
    [[nodiscard]] oci::Spec load() const { return oci::load_spec(fd_); }
    // What load_spec() says, on one line.
    [[nodiscard]] std::string complaint() const {
        try {
            static_cast<void>(load());
        } catch (const std::exception& error) {
            return error.what();
        }
        return "accepted";
    }

  private:
    TemporaryDirectory directory_;
    UniqueFd fd_;
};

}  // namespace

TEST_CASE("load_spec reads and judges the bundle's config", "[uses-06.1][uses-06.2]") {
    const BundleFolder bundle;
    const std::string host = random_name(8);
    write_file(bundle.config(), config_with(fmt::format("\"hostname\": \"{}\"", host)));
    CHECK(bundle.load().hostname == host);
}

TEST_CASE("load_spec throws all violations", "[uses-06.1][uses-06.2]") {
    const BundleFolder bundle;
    write_file(bundle.config(), R"({"ociVersion": "1.0.0", "process": {"cwd": 1, "args": [""]}})");
    try {
        static_cast<void>(bundle.load());
        FAIL("accepted");
    } catch (const oci::InvalidSpec& error) {
        INFO(error.what());
        CHECK(error.violations().size() == 3);
        CHECK(speaks_of(error.violations(), "/process/cwd"));  // once: it was not read
        CHECK(speaks_of(error.violations(), "/process/args/0"));
        CHECK(speaks_of(error.violations(), "/root"));
        CHECK(std::string{error.what()}.find('\n') == std::string::npos);
    }
}

TEST_CASE("load_spec follows no link") {
    const BundleFolder bundle;
    write_file(bundle.other("real.json"), config_with(""));
    fs::create_symlink("real.json", bundle.config());
    CHECK(refusal([&] { static_cast<void>(bundle.load()); }) == "open config.json: ELOOP");
    fs::remove(bundle.config());
    fs::create_symlink("/proc/self/status", bundle.config());
    CHECK(refusal([&] { static_cast<void>(bundle.load()); }) == "open config.json: ELOOP");
}

TEST_CASE("load_spec does not wait for a FIFO, and reads nothing but files") {
    const BundleFolder bundle;
    REQUIRE(::mkfifo(bundle.config().c_str(), 0600) == 0);
    CHECK(bundle.complaint() == "config.json: not a regular file");
    fs::remove(bundle.config());
    fs::create_directory(bundle.config());
    CHECK(bundle.complaint() == "config.json: not a regular file");
}

TEST_CASE("load_spec says that there is none") {
    const BundleFolder bundle;
    CHECK(refusal([&] { static_cast<void>(bundle.load()); }) == "open config.json: ENOENT");
}

TEST_CASE("load_spec stops reading at the limit, and names the file in what it says") {
    const BundleFolder bundle;
    write_file(bundle.config(), "");
    fs::resize_file(bundle.config(), std::uintmax_t{1} << 40);  // a hole: no disk is that large
    CHECK(bundle.complaint() == "config.json: more than 16777216 bytes");
    write_file(bundle.config(), "{");
    CHECK(bundle.complaint().starts_with("config.json: no JSON: line 1, column 2: "));
}

}  // namespace tenon::test
