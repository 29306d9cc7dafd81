// OpenSSL asks the processor for its features before main() begins, by CPUID: a virtual machine is
// left for each question, and most commands have nothing to hash. This is the function that would
// ask; without it SHA-256 is the plain code, which a few kilobytes do not notice.
extern "C" void OPENSSL_cpuid_setup() {}  // NOLINT(readability-identifier-naming): theirs
