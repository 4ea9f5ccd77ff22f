//! `/etc/ld.so.cache`, in which `ldconfig` writes where libraries are. The loader of glibc believes
//! it, and reads none of the configuration that it was made from.

/// What the format that glibc has written since 2.2 begins with, alone or behind the older one.
const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";

/// Bytes of the header and of an entry.
const HEADER: usize = 48;
const ENTRY: usize = 24;

/// Bytes of one name or path: Linux's PATH_MAX.
const MOST_PATH: usize = 4096;

/// Reads `/etc/ld.so.cache`: the names in it and the paths that they lead to, in the cache's order.
pub fn libraries(bytes: &[u8]) -> Option<Vec<(String, String)>> {
    let start = bytes.windows(MAGIC.len()).position(|window| window == MAGIC)?;
    let table = bytes.get(start..)?;
    // All numbers are in the byte order of the machine; a count that makes no sense in one of
    // them is in the other.
    let number = |at: usize, big: bool| {
        let field = table.get(at..at.checked_add(4)?)?.try_into().ok()?;
        usize::try_from(if big { u32::from_be_bytes(field) } else { u32::from_le_bytes(field) }).ok()
    };
    let fits = |big: &bool| {
        let end = number(MAGIC.len(), *big).and_then(|count| count.checked_mul(ENTRY)?.checked_add(HEADER));
        end.is_some_and(|end| end <= table.len())
    };
    let big = [false, true].into_iter().find(fits)?;
    let text = |at: usize| {
        let rest = table.get(at..)?;
        let rest = rest.get(..MOST_PATH).unwrap_or(rest);
        let end = rest.iter().position(|byte| *byte == 0)?;
        Some(String::from_utf8_lossy(rest.get(..end)?).into_owned())
    };
    let count = number(MAGIC.len(), big)?;
    let entry = |index: usize| {
        let at = HEADER + index * ENTRY;
        Some((text(number(at + 4, big)?)?, text(number(at + 8, big)?)?))
    };
    // Every text is in the file once; entries without number may mean the same long one.
    let mut left = table.len().saturating_mul(4);
    let bounded = |(name, path): &(String, String)| {
        let fits = left.checked_sub(name.len() + path.len());
        left = fits.unwrap_or_default();
        fits.is_some()
    };
    Some((0..count).filter_map(entry).take_while(bounded).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_paths_and_nonsense_to_nothing() {
        let mut bytes = b"glibc-ld.so.cache1.1".to_vec();
        bytes.extend(1_u32.to_le_bytes());
        bytes.resize(HEADER, 0);
        let strings = u32::try_from(HEADER + ENTRY).expect("small");
        bytes.extend([3, strings, strings + 10, 0, 0, 0].iter().flat_map(|n: &u32| n.to_le_bytes()));
        bytes.extend(b"libx.so.1\0/usr/lib/libx.so.1\0".iter());
        let behind = [b"ld.so-1.7.0\0old format".as_slice(), &bytes].concat();
        for cache in [&bytes, &behind] {
            let found = libraries(cache).expect("a cache");
            assert_eq!(found, [("libx.so.1".to_owned(), "/usr/lib/libx.so.1".to_owned())]);
        }
        for length in 0..bytes.len() {
            let _ = libraries(&bytes[..length]);
        }
        bytes[20..24].copy_from_slice(&[0xff; 4]);
        assert_eq!(libraries(&bytes), None);
    }

    #[test]
    fn many_entries_of_one_long_text_stay_small() {
        let count = 2000_u32;
        let mut bytes = b"glibc-ld.so.cache1.1".to_vec();
        bytes.extend(count.to_le_bytes());
        bytes.resize(HEADER, 0);
        let strings = u32::try_from(HEADER).expect("small") + count * 24;
        for _ in 0..count {
            bytes.extend([3, strings, strings, 0, 0, 0].iter().flat_map(|n: &u32| n.to_le_bytes()));
        }
        bytes.extend([b'x'; 4000]);
        bytes.push(0);
        let found = libraries(&bytes).expect("a cache");
        let taken: usize = found.iter().map(|(name, path)| name.len() + path.len()).sum();
        assert!(!found.is_empty() && taken <= 4 * bytes.len(), "{taken}");
    }
}
