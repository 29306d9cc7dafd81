// The store of layers: what is announced must come, what is there is not unpacked again, and what
// is stood on is not removed.
#include <stdexcept>

#include "imported.hpp"
#include "store_view.hpp"
#include "story.hpp"
#include "tenon/layer_store.hpp"
#include "tenon/snapshots.hpp"

namespace tenon::test {

namespace {

// An archive that is not compressed is its own blob.
LayerSource source_of(const std::string& archive, int* opened = nullptr) {
    const Digest digest = sha256(archive);
    return {.open =
                [archive, opened] {
                    if (opened != nullptr) ++*opened;
                    return file_with(archive);
                },
            .blob = digest,
            .blob_size = archive.size(),
            .diff_id = digest};
}

std::string told(LayerStore& store, const LayerSource& source) {
    try {
        store.import({}, source, Imported::options());
    } catch (const std::runtime_error& error) {
        return error.what();
    }
    return "accepted";
}

std::string refusal_of_removal(LayerStore& store, const Layer& layer) {
    try {
        store.remove(layer.chain_id);
    } catch (const std::runtime_error& error) {
        return error.what();
    }
    return "accepted";
}

}  // namespace

TEST_CASE("a layer is unpacked once, and found by its chain id", "[uses-04.2][uses-04.3]") {
    const TestStore test;
    int opened = 0;
    const LayerSource source = source_of(tar_archive({tar_file("a")}), &opened);
    const Layer bottom = test.store().import({}, source, Imported::options());
    CHECK(bottom.chain_id == source.diff_id);
    CHECK(test.store().import({}, source, Imported::options()).dir == bottom.dir);
    CHECK(opened == 1);
    const Layer top = test.store().import(bottom.chain_id, source_of(tar_archive({tar_file("b")})),
                                          Imported::options());
    CHECK(top.chain_id == chain_id(bottom.chain_id, top.diff_id));
    CHECK(is_there(test.path() / top.dir / "b"));
    const std::vector<Layer> chain = test.store().chain(top.chain_id);
    REQUIRE(chain.size() == 2);
    CHECK(chain.front().dir == top.dir);
    CHECK(chain.back().dir == bottom.dir);
}

TEST_CASE("a layer that is not what was announced leaves nothing", "[uses-04.2][uses-04.3]") {
    const TestStore test;
    const std::string archive = tar_archive({tar_file("a")});
    LayerSource other_blob = source_of(archive);
    other_blob.blob = sha256("another");
    CHECK(told(test.store(), other_blob).find("sha256:") != std::string::npos);
    LayerSource other_size = source_of(archive);
    other_size.blob_size += 1;
    CHECK(told(test.store(), other_size) != "accepted");
    LayerSource other_content = source_of(archive);
    other_content.diff_id = sha256("another");
    CHECK(told(test.store(), other_content) != "accepted");
    CHECK(test.is_empty_folder("layers"));
    CHECK(test.is_empty_folder("chains"));
}

TEST_CASE("a layer that something stands on is not removed", "[uses-04.4]") {
    const TestStore test;
    const Layer bottom = test.layer({}, "bottom");
    const Layer top = test.layer(bottom.chain_id, "top");
    Snapshotter snapshots{test.store()};
    snapshots.prepare("holder", top.chain_id);
    CHECK(refusal_of_removal(test.store(), bottom).find("the layer above it") != std::string::npos);
    CHECK(refusal_of_removal(test.store(), top).find("the snapshot holder") != std::string::npos);
    snapshots.remove("holder");
    CHECK(refusal_of_removal(test.store(), top) == "accepted");
    CHECK_FALSE(test.store().find(top.chain_id));
    CHECK_FALSE(is_there(test.path() / top.dir));
    CHECK(refusal_of_removal(test.store(), top) == "accepted");  // gone already
    CHECK(refusal_of_removal(test.store(), bottom) == "accepted");
    CHECK(test.is_empty_folder("layers"));
}

}  // namespace tenon::test
