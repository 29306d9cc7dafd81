// Archives as an attacker writes them: byte by byte, so that they can say what no tar program
// would.
#pragma once

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace tenon::test {

// Types as ustar's: 0 file, 1 hard link, 2 symbolic link, 3 character device, 4 block device,
// 5 folder, 6 FIFO. tar(5)
struct TarEntry {
    std::string name;
    char type = '0';
    std::string content;
    std::string link;
    unsigned mode = 0644;
    unsigned uid = 0;
    unsigned gid = 0;
    std::uint64_t mtime = 1'000'000'000;
    unsigned major = 0;
    unsigned minor = 0;
    std::vector<std::pair<std::string, std::string>> pax;  // SCHILY.xattr.NAME, path, mtime ...
    std::uint64_t size = UINT64_MAX;                       // else: of the content
};

inline TarEntry tar_file(std::string name, std::string content = "x") {
    return {.name = std::move(name), .content = std::move(content)};
}
inline TarEntry tar_folder(std::string name, unsigned mode = 0755) {
    return {.name = std::move(name), .type = '5', .mode = mode};
}
inline TarEntry tar_symlink(std::string name, std::string target) {
    return {.name = std::move(name), .type = '2', .link = std::move(target), .mode = 0777};
}
inline TarEntry tar_hard_link(std::string name, std::string target) {
    return {.name = std::move(name), .type = '1', .link = std::move(target)};
}

namespace detail {

inline void put(std::string& block, std::size_t at, const std::string& text) {
    block.replace(at, text.size(), text);
}

inline std::string padded(std::string content) {
    content.resize((content.size() + 511) / 512 * 512, '\0');
    return content;
}

inline std::string header(const TarEntry& entry) {
    std::string block(512, '\0');
    const std::uint64_t size = entry.size == UINT64_MAX ? entry.content.size() : entry.size;
    put(block, 0, entry.name.substr(0, 100));
    put(block, 100, fmt::format("{:07o}", entry.mode));
    put(block, 108, fmt::format("{:07o}", entry.uid));
    put(block, 116, fmt::format("{:07o}", entry.gid));
    put(block, 124, fmt::format("{:011o}", size));
    put(block, 136, fmt::format("{:011o}", entry.mtime));
    put(block, 148, std::string(8, ' '));
    block[156] = entry.type;
    put(block, 157, entry.link.substr(0, 100));
    put(block, 257,
        std::string{"ustar\0"
                    "00",
                    8});
    put(block, 329, fmt::format("{:07o}", entry.major));
    put(block, 337, fmt::format("{:07o}", entry.minor));
    unsigned sum = 0;
    for (const char c : block) sum += static_cast<unsigned char>(c);
    put(block, 148, fmt::format("{:06o}", sum) + std::string{"\0 ", 2});
    return block;
}

// The length counts its own digits, too. pax(1)
inline std::string pax_record(const std::string& key, const std::string& value) {
    const std::size_t rest = key.size() + value.size() + 3;
    std::size_t length = rest + 1;
    while (length != rest + std::to_string(length).size()) ++length;
    return fmt::format("{} {}=", length, key) + value + "\n";
}

inline std::string pax_header(const TarEntry& entry) {
    std::string records;
    for (const auto& [key, value] : entry.pax) records += pax_record(key, value);
    if (entry.name.size() > 100) records += pax_record("path", entry.name);
    if (entry.link.size() > 100) records += pax_record("linkpath", entry.link);
    if (records.empty()) return "";
    return header({.name = "pax", .type = 'x', .content = records}) + padded(records);
}

}  // namespace detail

// Without the two zero blocks that end an archive.
inline std::string tar_entries(const std::vector<TarEntry>& entries) {
    std::string archive;
    for (const TarEntry& entry : entries) {
        archive += detail::pax_header(entry) + detail::header(entry);
        archive += detail::padded(entry.content);
    }
    return archive;
}

inline std::string tar_archive(const std::vector<TarEntry>& entries) {
    return tar_entries(entries) + std::string(1024, '\0');
}

// @param filter  ARCHIVE_FILTER_GZIP, ARCHIVE_FILTER_ZSTD ...
inline std::string compressed(const std::string& text, int filter) {
    const std::unique_ptr<archive, int (*)(archive*)> writer{archive_write_new(),
                                                             archive_write_free};
    std::string out(text.size() + 65536, '\0');
    std::size_t used = 0;
    archive_write_add_filter(writer.get(), filter);
    archive_write_set_format_raw(writer.get());
    archive_write_set_bytes_in_last_block(writer.get(), 1);
    archive_write_open_memory(writer.get(), out.data(), out.size(), &used);
    const std::unique_ptr<archive_entry, void (*)(archive_entry*)> entry{archive_entry_new(),
                                                                         archive_entry_free};
    archive_entry_set_filetype(entry.get(), S_IFREG);
    archive_write_header(writer.get(), entry.get());
    archive_write_data(writer.get(), text.data(), text.size());
    if (archive_write_close(writer.get()) != 0) throw std::runtime_error("compressed()");
    out.resize(used);
    return out;
}

}  // namespace tenon::test
