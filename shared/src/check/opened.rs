//! Libraries that Python code opens by a name that is written in it, where they are of the usual ones whose package
//! is known. What the [table of distributions](super::named) tells of is not told again.

use std::collections::BTreeMap;

use super::named::{self, carries};
use super::{Finding, Image, Kind, Report, Severity};
use crate::facts::details::{Detail, Opened};

/// A library by what `find_library` is asked for, the name that the loader knows it by, and Debian's package.
const LIBRARIES: &[(&str, &str, &str)] = &[
    ("EGL", "libEGL.so.1", "libegl1"),
    ("GL", "libGL.so.1", "libgl1"),
    ("GLESv2", "libGLESv2.so.2", "libgles2"),
    ("GLU", "libGLU.so.1", "libglu1-mesa"),
    ("OpenCL", "libOpenCL.so.1", "ocl-icd-libopencl1"),
    ("SDL2-2.0", "libSDL2-2.0.so.0", "libsdl2-2.0-0"),
    ("SDL2_image-2.0", "libSDL2_image-2.0.so.0", "libsdl2-image-2.0-0"),
    ("SDL2_mixer-2.0", "libSDL2_mixer-2.0.so.0", "libsdl2-mixer-2.0-0"),
    ("SDL2_ttf-2.0", "libSDL2_ttf-2.0.so.0", "libsdl2-ttf-2.0-0"),
    ("X11", "libX11.so.6", "libx11-6"),
    ("Xext", "libXext.so.6", "libxext6"),
    ("Xi", "libXi.so.6", "libxi6"),
    ("Xinerama", "libXinerama.so.1", "libxinerama1"),
    ("Xrandr", "libXrandr.so.2", "libxrandr2"),
    ("Xss", "libXss.so.1", "libxss1"),
    ("Xtst", "libXtst.so.6", "libxtst6"),
    ("Xxf86vm", "libXxf86vm.so.1", "libxxf86vm1"),
    ("archive", "libarchive.so.13", "libarchive13"),
    ("asound", "libasound.so.2", "libasound2"),
    ("avahi-client", "libavahi-client.so.3", "libavahi-client3"),
    ("bluetooth", "libbluetooth.so.3", "libbluetooth3"),
    ("cairo", "libcairo.so.2", "libcairo2"),
    ("cups", "libcups.so.2", "libcups2"),
    ("curl", "libcurl.so.4", "libcurl4"),
    ("discid", "libdiscid.so.0", "libdiscid0"),
    ("dmtx", "libdmtx.so.0", "libdmtx0b"),
    ("enchant-2", "libenchant-2.so.2", "libenchant-2-2"),
    ("exempi", "libexempi.so.8", "libexempi8"),
    ("fftw3", "libfftw3.so.3", "libfftw3-double3"),
    ("fido2", "libfido2.so.1", "libfido2-1"),
    ("fluidsynth", "libfluidsynth.so.3", "libfluidsynth3"),
    ("fontconfig", "libfontconfig.so.1", "libfontconfig1"),
    ("freetype", "libfreetype.so.6", "libfreetype6"),
    ("ftdi1", "libftdi1.so.2", "libftdi1-2"),
    ("fuse", "libfuse.so.2", "libfuse2"),
    ("gdk-3", "libgdk-3.so.0", "libgtk-3-0"),
    ("geos_c", "libgeos_c.so.1", "libgeos-c1v5"),
    ("glfw", "libglfw.so.3", "libglfw3"),
    ("glib-2.0", "libglib-2.0.so.0", "libglib2.0-0"),
    ("gmp", "libgmp.so.10", "libgmp10"),
    ("gobject-2.0", "libgobject-2.0.so.0", "libglib2.0-0"),
    ("gphoto2", "libgphoto2.so.6", "libgphoto2-6"),
    ("gssapi_krb5", "libgssapi_krb5.so.2", "libgssapi-krb5-2"),
    ("gtk-3", "libgtk-3.so.0", "libgtk-3-0"),
    ("harfbuzz", "libharfbuzz.so.0", "libharfbuzz0b"),
    ("hidapi-hidraw", "libhidapi-hidraw.so.0", "libhidapi-hidraw0"),
    ("hidapi-libusb", "libhidapi-libusb.so.0", "libhidapi-libusb0"),
    ("iio", "libiio.so.0", "libiio0"),
    ("jack", "libjack.so.0", "libjack-jackd2-0"),
    ("lensfun", "liblensfun.so.1", "liblensfun1"),
    ("magic", "libmagic.so.1", "libmagic1"),
    ("mediainfo", "libmediainfo.so.0", "libmediainfo0v5"),
    ("mosquitto", "libmosquitto.so.1", "libmosquitto1"),
    ("mpg123", "libmpg123.so.0", "libmpg123-0"),
    ("mpv", "libmpv.so.2", "libmpv2"),
    ("ogg", "libogg.so.0", "libogg0"),
    ("openal", "libopenal.so.1", "libopenal1"),
    ("openjp2", "libopenjp2.so.7", "libopenjp2-7"),
    ("openslide", "libopenslide.so.0", "libopenslide0"),
    ("opus", "libopus.so.0", "libopus0"),
    ("opusfile", "libopusfile.so.0", "libopusfile0"),
    ("pango-1.0", "libpango-1.0.so.0", "libpango-1.0-0"),
    ("pangocairo-1.0", "libpangocairo-1.0.so.0", "libpangocairo-1.0-0"),
    ("pangoft2-1.0", "libpangoft2-1.0.so.0", "libpangoft2-1.0-0"),
    ("pcap", "libpcap.so.0.8", "libpcap0.8"),
    ("pcsclite", "libpcsclite.so.1", "libpcsclite1"),
    ("portaudio", "libportaudio.so.2", "libportaudio2"),
    ("pq", "libpq.so.5", "libpq5"),
    ("pulse", "libpulse.so.0", "libpulse0"),
    ("pulse-simple", "libpulse-simple.so.0", "libpulse0"),
    ("rdkafka", "librdkafka.so.1", "librdkafka1"),
    ("rsvg-2", "librsvg-2.so.2", "librsvg2-2"),
    ("sass", "libsass.so.1", "libsass1"),
    ("sensors", "libsensors.so.5", "libsensors5"),
    ("sndfile", "libsndfile.so.1", "libsndfile1"),
    ("sodium", "libsodium.so.23", "libsodium23"),
    ("speex", "libspeex.so.1", "libspeex1"),
    ("ssh2", "libssh2.so.1", "libssh2-1"),
    ("systemd", "libsystemd.so.0", "libsystemd0"),
    ("tesseract", "libtesseract.so.5", "libtesseract5"),
    ("turbojpeg", "libturbojpeg.so.0", "libturbojpeg0"),
    ("udev", "libudev.so.1", "libudev1"),
    ("usb-0.1", "libusb-0.1.so.4", "libusb-0.1-4"),
    ("usb-1.0", "libusb-1.0.so.0", "libusb-1.0-0"),
    ("vips", "libvips.so.42", "libvips42"),
    ("vlc", "libvlc.so.5", "libvlc5"),
    ("vorbisfile", "libvorbisfile.so.3", "libvorbisfile3"),
    ("wayland-client", "libwayland-client.so.0", "libwayland-client0"),
    ("xcb", "libxcb.so.1", "libxcb1"),
    ("xkbcommon", "libxkbcommon.so.0", "libxkbcommon0"),
    ("xml2", "libxml2.so.2", "libxml2"),
    ("xmlsec1", "libxmlsec1.so.1", "libxmlsec1"),
    ("zbar", "libzbar.so.0", "libzbar0"),
    ("zmq", "libzmq.so.5", "libzmq5"),
];

/// Warns of libraries that modules open and that the image does not have.
pub(super) fn examine(image: &Image<'_>, report: &mut Report) {
    let mut lacking: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    for (path, detail, own) in image.fs.details() {
        let Detail::Module(module) = detail else { continue };
        let all = &module.opened;
        if all.is_empty() || !(own || image.all_own) {
            continue;
        }
        // Of several names that a module knows, one is enough.
        if all.iter().any(|opened| is_there(image, opened)) {
            continue;
        }
        for (soname, package) in all.iter().filter_map(known) {
            lacking.insert((distribution(path), soname), package);
        }
    }
    if lacking.is_empty() {
        return;
    }
    let told = named::libraries(image);
    for ((who, soname), package) in lacking.into_iter().filter(|((_, soname), _)| !told.contains(soname)) {
        report.add(Finding {
            severity: Severity::Warning,
            kind: Kind::OpenedByName,
            message: format!("{who} opens {soname}, which is not in the image"),
            library: None,
            through: Vec::new(),
            fix: Some(named::fix(&[package]).into()),
        });
    }
}

/// The name and the package of a library, if it is one of the usual ones.
fn known(opened: &Opened) -> Option<(&'static str, &'static str)> {
    let is_it = |(stem, soname, _): &&(&str, &str, &str)| match opened.searched {
        true => *stem == opened.name,
        false => *soname == opened.name,
    };
    LIBRARIES.iter().find(is_it).map(|(_, soname, package)| (*soname, *package))
}

fn is_there(image: &Image<'_>, opened: &Opened) -> bool {
    let stem = match opened.searched {
        true => format!("lib{}", opened.name),
        false => opened.name.split(".so").next().unwrap_or_default().to_owned(),
    };
    let file = format!("{stem}.so");
    let by_search =
        || image.libraries.range(file.as_str()..).next().is_some_and(|(name, _)| name.starts_with(&file));
    let found =
        if opened.searched { by_search() } else { image.libraries.contains_key(opened.name.as_str()) };
    found || carries(image, &file)
}

/// What people know a module of `site-packages` by.
fn distribution(path: &str) -> &str {
    let within = path.rsplit_once("-packages/").map_or(path, |(_, within)| within);
    within.split('/').next().unwrap_or(within).trim_end_matches(".py")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_library_stands_once_under_the_name_that_it_is_looked_for_by() {
        let mut seen = BTreeSet::new();
        for (stem, soname, package) in LIBRARIES {
            assert!(soname.starts_with(&format!("lib{stem}.so.")), "{stem} {soname}");
            assert!(seen.insert(stem) && !package.is_empty(), "{stem}");
        }
        assert!(LIBRARIES.is_sorted());
    }
}
