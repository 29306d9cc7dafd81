// Somebody else's opinion on our JSON: Python's strict reader.
#pragma once

#include <string>

#include "kernel_view.hpp"
#include "tenon/process.hpp"

namespace tenon::test {

// Reads each line as UTF-8 JSON and prints `expression` of it (`d`), one per line. What Python
// does not accept comes back as its complaint.
inline std::string python_reads(const std::string& json_lines, const std::string& expression) {
    const TemporaryDirectory directory;
    const auto file = directory.path() / "lines.json";
    write_file(file, json_lines);
    const std::string program =
        "import json, sys\n"
        "for line in open(sys.argv[1], 'rb').read().split(b'\\n')[:-1]:\n"
        "    d = json.loads(line.decode('utf-8', 'strict'), strict=True)\n"
        "    print(" +
        expression + ")\n";
    const ProcessResult result = run_process({"python3", "-I", "-S", "-c", program, file.string()});
    return result.status.success() ? result.out : "refused: " + result.err;
}

}  // namespace tenon::test
