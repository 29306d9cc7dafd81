// A file that is the old one or the new one, whoever is killed when: written under another name,
// then renamed onto its own. rename(2)
#pragma once

#include <string>
#include <string_view>

#include "tenon/fd.hpp"

namespace tenon {

// @pre nobody else replaces it at the same time: under a lock
// @throws SysError  openat, write: ENOSPC, renameat
void replace_file(FdRef directory, const std::string& name, std::string_view content);
// One that is not there is no error.
void remove_file(FdRef directory, const std::string& name);

}  // namespace tenon
