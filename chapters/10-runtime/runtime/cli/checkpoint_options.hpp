// What checkpoint and restore are asked for by words. Both speak to criu.
#pragma once

#include "checkpoint.hpp"
#include "verbs.hpp"

namespace tenon::cli {

struct CriuWords {
    std::string image_path;
    std::string work_path;
    std::string cgroups_mode;
    std::string empty_namespace;
    ext::CriuFlags flags;
};

// The options that both have.
std::vector<Option> criu_table(CriuWords& words);

// Paths made absolute, modes read. Throws UsageError
ext::CriuWishes wishes_from(const CriuWords& words);

}  // namespace tenon::cli
