/// @file
/// Chapter 10, the contract of a container's life: made, started, ended, removed.
///
/// An object of these is one command's view of a container; what it knows is in
/// container_state.hpp.
#pragma once

#include <functional>
#include <string>

#include "tenon/cgroup.hpp"
#include "tenon/container_state.hpp"
#include "tenon/extension.hpp"
#include "tenon/launch.hpp"

namespace tenon {

/// How a new container begins.
enum class Begin {
    AtGate,  ///< it waits for start(), of another process: `create`
    AtOnce,  ///< it waits for start_now() of this process: `run`
};

struct NewContainer;
struct AdoptionGround;
struct Adopted;

/// Makes the first process of a container in a way of its own: from a checkpoint.
using Adoption = std::function<Adopted(const AdoptionGround& ground)>;

/// A container that there is. Exercise 10.5 are its operations.
class Container {
  public:
    /// Makes it: everything but its program. On an error nothing is left of it.
    /// @throws ContainerError  `container with given ID already exists`; what launch() throws
    static NewContainer create(const ContainerRoot& root, const LaunchRequest& request,
                               Bundle bundle, Extensions extensions, Begin begin);
    /// The same, but its first process is made by @p adoption, and runs its program already.
    /// @throws as create(), and what @p adoption throws
    static NewContainer adopt(const ContainerRoot& root, const LaunchRequest& request,
                              Bundle bundle, Extensions extensions, const Adoption& adoption);
    /// @throws NoContainer; std::invalid_argument  as parse_record()
    static Container load(const ContainerRoot& root, const std::string& id);

    [[nodiscard]] const ContainerRecord& record() const { return record_; }
    [[nodiscard]] ContainerStatus status() const;
    /// The config that it was made from.
    [[nodiscard]] oci::Spec spec() const;
    /// Its group. @throws ContainerError  it has none
    [[nodiscard]] CgroupManager cgroup() const;

    /// Lets it go through the gate, and returns when it runs its program.
    /// @throws ContainerError; what the container says of its program
    void start() const;
    /// The same by who made it.
    void start_now(Child& child) const;
    /// @param all  everybody in its group, running or not
    /// @throws ContainerError  `container not running`
    void kill(int signal, bool all) const;
    void pause() const;
    void resume() const;
    /// @throws ContainerError  it runs, and not by force
    void remove(bool by_force) const;

  private:
    Container(ContainerFolder folder, ContainerRecord record)
        : folder_(std::move(folder)), record_(std::move(record)) {}
    /// Waits for the container's lock. Whoever had it may have changed all that is known: it is
    /// read again. @throws NoContainer; ContainerError  it is being made, and @p operation has to
    /// come later: who makes it has the lock, and may wait for us, as for a hook. Only who deletes
    /// by force waits for that, too
    [[nodiscard]] FileLock lock_and_look(Operation operation) const;
    void after_start() const;
    [[nodiscard]] Observation observe() const;

    ContainerFolder folder_;
    mutable ContainerRecord record_;  // as it was read last
};

/// A container that create() has just made.
struct NewContainer {
    Container container;
    Child child;        ///< its first process: waits
    UniqueFd terminal;  ///< the master, where the config asks for a terminal
};

/// What an Adoption is given, and whom it has to tell.
struct AdoptionGround {
    const LaunchPlan& plan;
    const Bundle& bundle;
    const ContainerFolder& folder;
    const CgroupManager* group;  ///< with its limits, and nobody in it; null: none of its own
    /// The first process has its namespaces, and nothing in them: hooks and extensions take part.
    std::function<void(const Child& first)> on_namespaces;
    /// It is complete, and has not run yet: from here on there is a container.
    std::function<void(const Child& first, FdRef terminal)> on_complete;
};

/// What an Adoption has made.
struct Adopted {
    Child first;
    UniqueFd terminal;  ///< the master, where the config asks for a terminal
};

/// Removes what is left of a container whose making was killed before there was a record; one that
/// is not there at all is no error. @return  whether it is gone: else there is a record
bool remove_remains(const ContainerRoot& root, const std::string& id);

}  // namespace tenon
