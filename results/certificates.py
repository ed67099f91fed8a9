"""Whether files of certificates can be used, asked before anything is sent."""

from __future__ import annotations

from results.files import explain


def unfit_certificates(file: str) -> str:
    """Why a file cannot say which authorities to trust; "" when it can."""
    import ssl

    try:
        ssl.create_default_context(cafile=file)
    except ssl.SSLError:
        return "it holds no certificate"
    except OSError as error:
        return explain(error)
    return ""


def unfit_own_certificate(certificate: str, key: str) -> str:
    """Why a certificate of ours cannot be used with its private key (in the same file where `key` is ""); ""
    when it can."""
    import ssl

    def no_password() -> str:  # OpenSSL would ask the terminal for it
        raise ValueError("its private key has a password")

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key or None, no_password)
    except ssl.SSLError as error:
        return "certificate and key do not fit" if error.reason == "KEY_VALUES_MISMATCH" else "it holds none"
    except ValueError as error:
        return str(error)
    except OSError as error:
        return explain(error)
    return ""
