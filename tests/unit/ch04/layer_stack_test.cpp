// What a stack shows is what the kernel shows.
#include "tenon/layer_stack.hpp"
#include "imported.hpp"
#include "tenon/whiteout.hpp"

namespace tenon::test {

namespace {

namespace fs = std::filesystem;

// Two layers, made by hand.
struct Stack {
    TemporaryDirectory directory;
    fs::path lower = directory.path() / "lower";
    fs::path upper = directory.path() / "upper";

    Stack() {
        fs::create_directories(lower / "shared/deep");
        fs::create_directories(lower / "hidden/deep");
        write_file(lower / "shared/low", "low");
        write_file(lower / "shared/deep/low", "low");
        write_file(lower / "file", "low");
        fs::create_directories(upper / "shared");
        write_file(upper / "shared/up", "up");
        fs::create_symlink("shared", upper / "link");
    }
    [[nodiscard]] static UniqueFd open(const fs::path& path) {
        return sys::openat(FdRef::working_directory(), path, O_PATH);
    }
    [[nodiscard]] LayerStack stack() const {
        std::vector<UniqueFd> layers;
        layers.push_back(open(upper));
        layers.push_back(open(lower));
        return LayerStack{std::move(layers)};
    }
    // The layer's number, or "-".
    [[nodiscard]] std::string layer_of(const std::vector<std::string>& path) const {
        const std::optional<StackEntry> entry = stack().find(path);
        return entry ? std::to_string(entry->layer) : "-";
    }
};

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("a stack shows the topmost of each name", "[uses-04.2]") {
    const Stack layers;
    CHECK(layers.layer_of({}) == "0");
    CHECK(layers.layer_of({"shared"}) == "0");
    CHECK(layers.layer_of({"shared", "up"}) == "0");
    CHECK(layers.layer_of({"shared", "low"}) == "1");
    CHECK(layers.layer_of({"shared", "deep", "low"}) == "1");
    CHECK(layers.layer_of({"none"}) == "-");
    CHECK(layers.layer_of({"file", "below a file"}) == "-");
    CHECK(layers.stack().names(Names{"shared"}) == Names{"deep", "low", "up"});
    CHECK(layers.stack().names({}) == Names{"file", "hidden", "link", "shared"});
    CHECK(layers.stack().names(Names{"file"}).empty());
    CHECK(LayerStack{}.empty());
    CHECK(layers.stack().has_link(Names{"link"}));
    CHECK(layers.stack().has_link(Names{"link", "low"}));
    CHECK_FALSE(layers.stack().has_link(Names{"shared", "deep", "low"}));
    CHECK_FALSE(layers.stack().has_link(Names{"none", "link"}));
    CHECK_FALSE(layers.stack().has_link({}));
    CHECK_FALSE(LayerStack{}.find({}));
}

TEST_CASE("a stack follows no links", "[uses-04.2]") {
    const Stack layers;
    const std::optional<StackEntry> link = layers.stack().find(Names{"link"});
    REQUIRE(link);
    CHECK(S_ISLNK(link->status.st_mode));
    CHECK(layers.layer_of({"link", "low"}) == "-");
}

TEST_CASE("a file hides a folder, and a folder a file", "[uses-04.2]") {
    const Stack layers;
    write_file(layers.upper / "hidden", "a file now");
    fs::create_directories(layers.upper / "file/inside");
    CHECK(layers.layer_of({"hidden"}) == "0");
    CHECK(layers.layer_of({"hidden", "deep"}) == "-");
    CHECK(layers.layer_of({"file", "inside"}) == "0");
    CHECK(layers.stack().names(Names{"file"}) == Names{"inside"});
}

TEST_CASE("a stack knows whiteouts and opaque folders", "[uses-04.2]") {
    const Stack layers;
    make_whiteout(Stack::open(layers.upper), "hidden");
    make_whiteout(Stack::open(layers.upper / "shared"), "low");
    CHECK(layers.layer_of({"hidden"}) == "-");
    CHECK(layers.layer_of({"hidden", "deep"}) == "-");
    CHECK(layers.stack().names(Names{"shared"}) == Names{"deep", "up"});
    make_opaque(Stack::open(layers.upper / "shared"));
    CHECK(layers.stack().names(Names{"shared"}) == Names{"up"});
    CHECK(layers.layer_of({"shared", "deep"}) == "-");
}

TEST_CASE("a layer on top of a stack comes first", "[uses-04.2]") {
    const Stack layers;
    const TemporaryDirectory top;
    write_file(top.path() / "file", "top");
    const LayerStack stack = layers.stack().with_top(Stack::open(top.path()));
    CHECK(stack.find(Names{"file"})->layer == 0);
    CHECK(stack.find(Names{"shared", "low"})->layer == 2);
}

}  // namespace tenon::test
