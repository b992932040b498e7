#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "oci/image.h"

/// An image's documents as strangers send them, held to limits before anything believes them. Everything here throws
/// invalid for a document that is broken, too large to be honest, or two things at once.
namespace berth::image {

inline constexpr std::size_t kMaxListEntries = 10'000;
inline constexpr int kMaxIndexDepth = 4;  ///< of indexes within indexes

bool is_index(std::string_view media_type);
bool is_manifest(std::string_view media_type);
bool is_schema1(std::string_view media_type);

/// What a document may take in memory once it is parsed: "{}," is three bytes of text, and a hundred of a struct.
std::size_t parsed_bytes(std::string_view text);

/// Parses a document of any kind whose values are few enough to be kept.
boost::json::value parse_document(std::string_view text);

/// A document knows best what it is: its own word, then what it has. `claimed` is what others call it.
std::string type_of(std::string_view text, std::string_view claimed);

oci::Index parse_index(std::string_view text);
oci::Manifest parse_manifest(std::string_view text);
oci::Image parse_config(std::string_view text);

/// The chain IDs of a row of diff IDs, bottom first. Spec: OCI image-spec config.md, "Layer ChainID".
std::vector<std::string> chain_ids_of(const std::vector<std::string>& diff_ids);

/// That `text` has the size that the descriptor promises. Makers who promise none are believed.
void check_size(const oci::Descriptor& descriptor, std::string_view text);
/// And the digest.
void check_document(const oci::Descriptor& descriptor, std::string_view text);

}  // namespace berth::image
