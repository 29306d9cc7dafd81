/// @file
/// The command-line options that chapter 04 adds, and an image around a container's life.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tenon/cgroup_options.hpp"
#include "tenon/namespace_options.hpp"
#include "tenon/rootfs.hpp"
#include "tenon/rootfs_options.hpp"

namespace tenon {

/// What `chNN run` was asked for, as far as chapter 04 is concerned.
struct ImageOptions {
    std::string image;      ///< --image DIR[:REFERENCE]; empty: --rootfs is used
    std::string store;      ///< --store DIR; empty: default_store()
    std::string commit_to;  ///< --commit REFERENCE: the changes become an image in the same layout
    bool volatile_upper = false;  ///< --volatile
    bool metacopy = false;        ///< --metacopy
    bool redirect_dir = false;    ///< --redirect-dir
};

/// Adds the options to @p run; parsing fills @p options, which must outlive it.
void declare_image_options(CLI::App& run, ImageOptions& options);

/// An image that is being used by one container: its layers unpacked, a snapshot on top. The
/// destructor removes the snapshot.
class ContainerImage {
  public:
    /// Unpacks what is missing and prepares a snapshot; completes @p namespaces (see
    /// complete_namespaces(); the image's command where none was given, its entrypoint before one
    /// that was) and @p rootfs. Without --image it only checks the options.
    /// A store is swept first: what was killed left imports and snapshots there.
    /// @throws what ImageLayout, LayerStore and Snapshotter throw; EndedBySignal
    ContainerImage(const ImageOptions& options, NamespaceOptions& namespaces,
                   RootfsOptions& rootfs);
    ~ContainerImage();
    ContainerImage(const ContainerImage&) = delete;
    ContainerImage& operator=(const ContainerImage&) = delete;

    /// Child side: the container's root, whichever was asked for, with @p plan in it, becomes "/";
    /// the working directory is the image's.
    void enter(const MountPlan& plan) const;
    /// The environment of the command: the image's over container_environment().
    [[nodiscard]] std::vector<std::string> environment() const;
    /// With --commit and an @p exit_code of 0: the changes become an image. After another one it
    /// says that they do not. @pre the container has ended
    void commit(int exit_code = 0) const;

    struct Prepared;  ///< its parts; known to its own source file only

  private:
    std::string rootfs_;
    std::unique_ptr<Prepared> prepared_;
};

}  // namespace tenon
