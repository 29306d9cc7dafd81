/// @file
/// The command-line options of ch10: those that a learner needs. tenon-oci has all of them.
#pragma once

#include <csignal>
#include <string>
#include <string_view>

#include "tenon/namespace_options.hpp"

namespace CLI {
class App;
}

namespace tenon {

/// What one of its verbs was asked for.
struct VerbOptions {
    NamespaceOptions launch;  ///< --pid-file, --explain
    std::string id;
    std::string root = "/run/tenon";  ///< --root
    std::string bundle = ".";         ///< --bundle
    int signal = SIGTERM;
    bool all = false;       ///< kill --all
    bool by_force = false;  ///< delete --force
};

/// ID and --root, which every verb has. Parsing fills @p options, which must outlive it.
void declare_id(CLI::App& verb, VerbOptions& options);
/// Those, and what create has besides.
void declare_create_options(CLI::App& verb, VerbOptions& options);
void declare_kill_options(CLI::App& verb, VerbOptions& options);
void declare_delete_options(CLI::App& verb, VerbOptions& options);

/// @p text and a line's end, on standard output. @throws SysError  write: EPIPE
void print_line(std::string_view text);

}  // namespace tenon
