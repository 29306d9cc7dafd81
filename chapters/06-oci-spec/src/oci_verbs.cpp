// The verbs that read or write a config.json and run nothing.
#include "tenon/oci_verbs.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <span>

#include "spec_file.hpp"
#include "tenon/error.hpp"
#include "tenon/file_syscalls.hpp"
#include "tenon/log.hpp"
#include "tenon/oci_config.hpp"
#include "tenon/option_group.hpp"
#include "tenon/syscalls.hpp"

namespace tenon {

namespace {

void print(std::string_view text) {
    sys::write_all(FdRef{STDOUT_FILENO}, std::as_bytes(std::span{text}), "standard output");
}

// ---- spec -----------------------------------------------------------------------------------

oci::Spec new_spec(bool rootless) {
    return rootless ? oci::rootless_spec(::geteuid(), ::getegid()) : oci::template_spec();
}

// What is there is never overwritten, and no link followed. open(2), O_EXCL
UniqueFd create_config(FdRef bundle) {
    try {
        return sys::openat(bundle, oci::config_name, O_WRONLY | O_CREAT | O_EXCL, 0644);
    } catch (const SysError& error) {
        throw SysError(error.error(), "create config.json");
    }
}

// What could not be written whole does not stay.
int write_spec(const OciVerbs& verbs) {
    const UniqueFd bundle = oci::open_bundle_folder(verbs.bundle);
    const std::string text = oci::dump(new_spec(verbs.rootless));
    const UniqueFd file = create_config(bundle);
    try {
        sys::write_all(file, std::as_bytes(std::span{text}), oci::config_name);
    } catch (...) {
        sys::unlinkat(bundle, oci::config_name, 0);
        throw;
    }
    return 0;
}

// ---- validate and dump ------------------------------------------------------------------------

struct Document {
    std::string name;
    std::string text;
};

Document read_file(const std::string& path) {
    const UniqueFd file = sys::openat(FdRef::working_directory(), path, O_RDONLY | O_NOCTTY);
    if (S_ISDIR(sys::fstat(file).st_mode)) return {path, oci::read_config(file)};
    return {path, oci::read_document(file, path)};
}

Document read_asked(const OciVerbs& verbs) {
    if (verbs.file == "-") {
        return {"standard input", oci::read_document(FdRef{STDIN_FILENO}, "standard input")};
    }
    if (!verbs.file.empty()) return read_file(verbs.file);
    return {oci::config_name, oci::read_config(oci::open_bundle_folder(verbs.bundle))};
}

std::string line_of(const oci::Violation& violation) {
    return fmt::format("{}: {} ({})\n",
                       violation.pointer.empty() ? "the document" : printable(violation.pointer),
                       violation.message, violation.section);
}

std::string json_of(const std::vector<oci::Violation>& violations) {
    std::string list;
    for (const auto& [pointer, message, section] : violations) {
        list +=
            fmt::format(R"({}{{"pointer":{},"message":{},"section":{}}})", list.empty() ? "" : ",",
                        json_quote(pointer), json_quote(message), json_quote(section));
    }
    return fmt::format("{{\"valid\":{},\"violations\":[{}]}}\n", violations.empty(), list);
}

int validate_document(const OciVerbs& verbs) {
    const auto [name, text] = read_asked(verbs);
    const std::vector<oci::Violation> violations = oci::judge_document(text, name).violations;
    if (verbs.json) {
        print(json_of(violations));
    } else if (violations.empty()) {
        print(printable(name) + ": valid\n");
    } else {
        std::string lines;
        for (const oci::Violation& violation : violations) lines += line_of(violation);
        print(lines);
    }
    return violations.empty() ? 0 : 1;
}

int dump_document(const OciVerbs& verbs) {
    const auto [name, text] = read_asked(verbs);
    oci::ParsedSpec parsed = oci::read_spec(text, name);
    if (!parsed.violations.empty()) throw oci::InvalidSpec(std::move(parsed.violations));
    print(oci::dump(parsed.spec));
    return 0;
}

// ---- command line -----------------------------------------------------------------------------

void add_document(CLI::App& verb, OciVerbs& verbs) {
    OptionGroup options{verb};
    options.value("file", "FILE", "a config.json, or - for standard input", verbs.file);
    options.value("--bundle", "DIR", "the folder with config.json (the current one)", verbs.bundle);
    options.exclusive("--bundle", "file");
}

}  // namespace

std::vector<Verb> oci_verbs(StageApp& stage, OciVerbs& verbs) {
    CLI::App& spec = stage.add_verb("spec", "write a config.json to start from");
    OptionGroup options{spec};
    options.value("--bundle", "DIR", "the folder it belongs to (the current one)", verbs.bundle);
    options.flag("--rootless", "for an ordinary user", verbs.rootless);
    CLI::App& validate = stage.add_verb("validate", "say what is wrong with a config.json");
    add_document(validate, verbs);
    OptionGroup{validate}.flag("--json", "for programs: one JSON object", verbs.json);
    CLI::App& dump = stage.add_verb("dump", "print a config.json as it was understood");
    add_document(dump, verbs);
    return {{&spec, [&verbs] { return write_spec(verbs); }},
            {&validate, [&verbs] { return validate_document(verbs); }},
            {&dump, [&verbs] { return dump_document(verbs); }}};
}

}  // namespace tenon
