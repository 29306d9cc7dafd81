// The first instructions of the static program, before the C library's: who is going to execute
// programs of a container has to start again from where it cannot be written to (CVE-2019-5736,
// unwritable.hpp), and all that a start costs would be paid twice. Most of that is CPUID, by which
// the C library asks for the processor's features: a virtual machine is left for each.
//
// So nothing is ready here: no errno, no stack protector (both are thread-local), no pointer that
// has to be relocated, no function of a library. Whatever does not go smoothly is left to
// protect_own_binary(), which looks again later, in any case, and has words for it.
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

namespace {

using Word = unsigned long;

template <typename T>
Word word(T value) {
    return (Word)value;  // NOLINT: a register, whatever is in it
}

long call(long number, Word a, Word b, Word c = 0, Word d = 0, Word e = 0) {
    long result = 0;
    register Word fourth asm("r10") = d;
    register Word fifth asm("r8") = e;
    asm volatile("syscall"
                 : "=a"(result)
                 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth)
                 : "rcx", "r11", "memory");
    return result;
}

bool same(const char* a, const char* b) {
    while (*a != '\0' && *a == *b) {
        ++a;
        ++b;
    }
    return *a == *b;
}

// Those that execute something of the container's. Who only calls a container "run" is protected
// for nothing.
bool wants_protection(char* const* words) {
    for (; *words != nullptr; ++words) {
        if (same(*words, "run") || same(*words, "create") || same(*words, "exec")) return true;
    }
    return false;
}

bool is_read_only(long result, const struct statfs& found) {
    return result == 0 && (word(found.f_flags) & ST_RDONLY) != 0;
}

}  // namespace

// @param stack  as the kernel has left it: argc, argv, a null, the environment. execve(2)
extern "C" __attribute__((visibility("hidden"))) void tenon_protect_early(Word* stack) {
    char** const argv = reinterpret_cast<char**>(stack + 1);
    char** const environment = argv + *stack + 1;
    const char* const own_binary = "/proc/self/exe";
    struct statfs found;
    if (*stack == 0 || !wants_protection(argv + 1)) return;
    const long looked = call(SYS_statfs, word(own_binary), word(&found));
    if (looked != 0 || is_read_only(looked, found)) return;
    const long tree =
        call(SYS_open_tree, word(AT_FDCWD), word(own_binary), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (tree < 0) return;
    mount_attr attributes;
    attributes.attr_set = MOUNT_ATTR_RDONLY;
    attributes.attr_clr = attributes.propagation = attributes.userns_fd = 0;
    call(SYS_mount_setattr, word(tree), word(""), AT_EMPTY_PATH, word(&attributes),
         sizeof attributes);
    // Or it would start again for ever.
    if (is_read_only(call(SYS_fstatfs, word(tree), word(&found)), found)) {
        call(SYS_execveat, word(tree), word(""), word(argv), word(environment), AT_EMPTY_PATH);
    }
    call(SYS_close, word(tree), 0);
}

// Where the kernel begins, with the stack pointer as its only word to us; _start is the C
// library's.
asm(R"(
    .text
    .globl tenon_start
    .hidden tenon_start
    .type tenon_start, @function
tenon_start:
    mov %rsp, %rbx
    mov %rdx, %r12
    mov %rsp, %rdi
    and $-16, %rsp
    call tenon_protect_early
    mov %rbx, %rsp
    mov %r12, %rdx
    jmp _start
    .size tenon_start, . - tenon_start
)");
