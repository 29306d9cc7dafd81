/// @file
/// The command line of a stage program, before any chapter has declared its options.
#pragma once

#include <memory>
#include <string>

namespace CLI {
class App;
}

namespace tenon {

/// `chNN VERB [options]`, with --help and --version. main() knows CLI11 by name only: to compile
/// it takes seconds, each time.
class StageApp {
  public:
    /// @param version  what --version prints (provenance.hpp)
    StageApp(const std::string& name, const std::string& description, const std::string& version);
    StageApp(const StageApp&) = delete;
    StageApp& operator=(const StageApp&) = delete;
    ~StageApp();

    /// One more verb; exactly one of them has to be given.
    CLI::App& add_verb(const std::string& name, const std::string& description);
    [[nodiscard]] CLI::App& app() const { return *app_; }

  private:
    std::unique_ptr<CLI::App> app_;
};

}  // namespace tenon
