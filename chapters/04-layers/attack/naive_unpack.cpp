// naive_unpack ARCHIVE FOLDER: unpacks a ustar archive as many a script did: entry by entry, each
// to the path that it names, below the folder.
//
// "Below" is the mistake. A name is a path, and the kernel walks it: through "..", and through the
// links that an earlier entry has made. To strip a leading slash, as this does, helps nothing.
#include <fcntl.h>
#include <sys/stat.h>
#include <tar.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

constexpr std::size_t block_size = 512;

// What stands before each file, in text. tar(5), "POSIX ustar Archives"
struct UstarHeader {
    std::array<char, 100> name;
    std::array<char, 24> mode_and_owner;
    std::array<char, 12> size;
    std::array<char, 20> mtime_and_checksum;
    char type;
    std::array<char, 100> target;
    std::array<char, 255> rest;
};
static_assert(sizeof(UstarHeader) == block_size);

template <std::size_t Size>
std::string text_of(const std::array<char, Size>& field) {
    std::string text{field.data(), Size};
    return text.substr(0, text.find('\0'));
}

std::string relative(const std::string& name) {
    const std::size_t start = name.find_first_not_of('/');
    return start == std::string::npos ? "." : name.substr(start);
}

std::string read_content(std::FILE* archive, std::size_t size) {
    std::string content((size + block_size - 1) / block_size * block_size, '\0');
    content.resize(std::fread(content.data(), 1, content.size(), archive));
    return content.substr(0, size);
}

bool write_file(const std::string& name, const std::string& content) {
    const int file = ::open(name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file < 0) return false;
    const bool written = ::write(file, content.data(), content.size()) >= 0;
    return ::close(file) == 0 && written;
}

bool unpack_entry(const UstarHeader& header, std::FILE* archive) {
    const std::string name = relative(text_of(header.name));
    const std::string target = text_of(header.target);
    switch (header.type) {
        case SYMTYPE: return ::symlink(target.c_str(), name.c_str()) == 0;
        case LNKTYPE: return ::link(relative(target).c_str(), name.c_str()) == 0;
        case DIRTYPE: return ::mkdir(name.c_str(), 0755) == 0;
        default:
            return write_file(name, read_content(archive, std::strtoul(text_of(header.size).c_str(),
                                                                       nullptr, 8)));
    }
}

bool unpack(std::FILE* archive) {
    UstarHeader header{};
    while (std::fread(&header, 1, block_size, archive) == block_size && header.name[0] != '\0') {
        if (!unpack_entry(header, archive)) return false;
    }
    return true;
}

}  // namespace

int main(int argc, char** argv) {
    std::FILE* archive = argc == 3 ? std::fopen(argv[1], "rbe") : nullptr;
    if (archive == nullptr || ::chdir(argv[2]) != 0) {
        std::fprintf(stderr, "usage: naive_unpack ARCHIVE FOLDER\n");
        return 2;
    }
    const bool done = unpack(archive);
    if (!done) std::perror("naive_unpack");
    std::fclose(archive);
    return done ? 0 : 1;
}
