// 04.3: damaged archives and bombs end with a word, and early.
#include "imported.hpp"

namespace tenon::test {

namespace {

std::string told(const std::string& blob, const ImportLimits& limits = {}) {
    Imported layers;
    ImportOptions options = Imported::options();
    options.limits = limits;
    return layers.refusal_of_blob(blob, options);
}

bool is_about(const std::string& text, const std::string& part) {
    INFO(text);
    return text.find(part) != std::string::npos;
}

const std::string& plain() {
    static const std::string archive =
        tar_archive({tar_folder("a/"), tar_file("a/b", random_name(100'000))});
    return archive;
}

}  // namespace

TEST_CASE("plain, gzip and zstd archives have one diff id", "[04.3][uses-04.2]") {
    for (const int filter : {ARCHIVE_FILTER_NONE, ARCHIVE_FILTER_GZIP, ARCHIVE_FILTER_ZSTD}) {
        Imported layers;
        const std::string blob =
            filter == ARCHIVE_FILTER_NONE ? plain() : compressed(plain(), filter);
        const ImportReport report = layers.add_blob(blob);
        CHECK(report.diff_id == sha256(plain()));
        CHECK(report.blob == sha256(blob));
        CHECK(report.blob_size == blob.size());
    }
}

TEST_CASE("a diff id counts the padding behind the archive", "[04.3][uses-04.2]") {
    Imported layers;
    const std::string padded = plain() + std::string(20 * 512, '\0');
    CHECK(layers.add_blob(compressed(padded, ARCHIVE_FILTER_GZIP)).diff_id == sha256(padded));
}

TEST_CASE("gzip in several members is one archive", "[04.3][uses-04.2]") {
    Imported layers;
    const std::string half = plain().substr(0, 5000);
    const std::string rest = plain().substr(5000);
    const std::string blob =
        compressed(half, ARCHIVE_FILTER_GZIP) + compressed(rest, ARCHIVE_FILTER_GZIP);
    CHECK(layers.add_blob(blob).diff_id == sha256(plain()));
}

TEST_CASE("what is no layer is refused by its name") {
    CHECK(is_about(told(""), "the blob is empty"));
    CHECK(is_about(told(random_name(5000)), "layer: "));
    CHECK(is_about(told("x"), "layer: "));
    CHECK(is_about(told("#!/bin/sh\n"), "layer: "));
    CHECK(is_about(told(compressed(plain(), ARCHIVE_FILTER_BZIP2)), "bzip2"));
    CHECK(is_about(told(compressed(plain(), ARCHIVE_FILTER_XZ)), "xz"));
    CHECK(is_about(told("PK\x03\x04" + std::string(1000, 'x')), "layer: "));
    CHECK(is_about(told("070701" + std::string(1000, '0')), "layer: "));
    const std::string once = compressed(plain(), ARCHIVE_FILTER_GZIP);
    CHECK(is_about(told(compressed(once, ARCHIVE_FILTER_GZIP)), "layer: "));
}

TEST_CASE("an archive that is cut short is refused wherever the cut is", "[04.3][uses-04.2]") {
    const std::string gzip = compressed(plain(), ARCHIVE_FILTER_GZIP);
    const std::string zstd = compressed(plain(), ARCHIVE_FILTER_ZSTD);
    for (int i = 0; i < 30; ++i) {
        step("gzip and zstd, cut somewhere; tar, cut within the file's content");
        CHECK(told(gzip.substr(0, random_below(gzip.size()))) != "accepted");
        CHECK(told(zstd.substr(0, random_below(zstd.size()))) != "accepted");
        const std::string tar = plain().substr(0, 1025 + random_below(100'000));
        TENON_EXPECT(told(tar) != "accepted", "refused", "accepted");
    }
}

TEST_CASE("bytes behind a compressed archive are refused", "[04.3][uses-04.2]") {
    for (const int filter : {ARCHIVE_FILTER_GZIP, ARCHIVE_FILTER_ZSTD}) {
        const std::string text = told(compressed(plain(), filter) + "garbage that is no frame");
        TENON_EXPECT(text != "accepted", "refused", text);
    }
}

TEST_CASE("content over the limit is refused", "[04.3][uses-04.2]") {
    const ImportLimits limits{.bytes = 1000};
    const auto of = [](std::size_t size) { return tar_file("a", std::string(size, 'x')); };
    CHECK(told(tar_archive({of(1000)}), limits) == "accepted");
    CHECK(is_about(told(tar_archive({of(1001)}), limits), "its size is 1001"));
    const std::string both = told(tar_archive({of(600), of(600)}), limits);
    TENON_EXPECT(is_about(both, "more than 1000 bytes"), "refused", both);
}

TEST_CASE("a bomb of headers or padding is refused as it is read", "[04.3][uses-04.2]") {
    const ImportLimits limits{.bytes = 1000};
    const std::string zeros(std::size_t{8} << 20, '\0');
    const std::string padding =
        compressed(tar_archive({tar_file("a")}) + zeros, ARCHIVE_FILTER_GZIP);
    CHECK(padding.size() < 20'000);
    const std::string text = told(padding, limits);
    TENON_EXPECT(is_about(text, "longer than"), "refused", text);
    std::string headers;
    for (int i = 0; i < 2100; ++i) headers += tar_entries({tar_folder("a/")});
    CHECK(is_about(told(compressed(headers, ARCHIVE_FILTER_GZIP), limits), "longer than"));
}

TEST_CASE("a sparse file may not claim more than the limit") {
    TarEntry file = tar_file("GNUSparseFile.0/big", detail::padded("1\n0\n4\n") + "data");
    file.pax = {{"GNU.sparse.major", "1"},
                {"GNU.sparse.minor", "0"},
                {"GNU.sparse.name", "big"},
                {"GNU.sparse.realsize", "1000000000000000"}};
    const std::string text = told(tar_archive({file}));
    TENON_EXPECT(is_about(text, "its size is 1000000000000000"), "refused", text);
}

TEST_CASE("a hard link to a file below counts as content", "[04.3][uses-04.2]") {
    Imported layers;
    layers.add({tar_file("a", std::string(5000, 'x'))});
    ImportOptions options = Imported::options();
    options.limits.bytes = 1000;
    const std::string text = layers.refusal({tar_hard_link("b", "a")}, options);
    TENON_EXPECT(is_about(text, "more than 1000 bytes"), "refused", text);
}

TEST_CASE("entries, depth, length and xattrs have limits", "[04.3][uses-04.2]") {
    const std::vector<TarEntry> three{tar_file("a"), tar_file("b"), tar_file("c")};
    CHECK(told(tar_archive(three), {.entries = 3}) == "accepted");
    CHECK(is_about(told(tar_archive(three), {.entries = 2}), "more than 2 entries"));
    const std::string deep = told(tar_archive({tar_file("a/b/c/d")}), {.path_depth = 3});
    TENON_EXPECT(is_about(deep, "more than 3 components"), "refused", deep);
    CHECK(is_about(told(tar_archive({tar_file("abcdef")}), {.path_length = 5}), "longer than 5"));
    TarEntry entry = tar_file("a");
    entry.pax = {{"SCHILY.xattr.user.a", std::string(3000, 'x')}};
    CHECK(is_about(told(tar_archive({entry}), {.xattr_bytes = 2000}), "extended attributes"));
    std::string path = "d";
    for (int i = 0; i < 300; ++i) path += "/d";
    CHECK(is_about(told(tar_archive({tar_file(path)})), "more than 256 components"));
}

TEST_CASE("thousands of entries are no trouble", "[04.3][uses-04.2]") {
    Imported layers;
    std::vector<TarEntry> entries;
    for (int i = 0; i < 2000; ++i) entries.push_back(tar_file(fmt::format("{}/{}", i % 50, i)));
    CHECK(layers.add(entries).entries == 2000);
    const auto files =
        std::distance(std::filesystem::recursive_directory_iterator(layers.top()), {});
    TENON_EXPECT(files == 2050, "2000 files in 50 folders", fmt::format("{} names", files));
}

TEST_CASE("at most a hundred things left out are told one by one", "[04.3][uses-04.2]") {
    Imported layers;
    std::vector<TarEntry> entries;
    for (int i = 0; i < 150; ++i) {
        entries.push_back({.name = std::to_string(i), .type = '3', .major = 1, .minor = 3});
    }
    const ImportReport report = layers.add(entries, {.limits = {}, .keep_owners = false});
    REQUIRE(report.left_out.size() == 101);
    CHECK(report.left_out.back() == "and 50 more");
}

}  // namespace tenon::test
