# SPDX-License-Identifier: GPL-3.0-or-later
"""The service under TLS, with a certificate made here."""
import http.client
import json
import os
import shutil
import ssl
import subprocess
import tempfile
import unittest

from hone import BIN, Died, Service, clean_env


def certificate(directory, name):
    """Self-signed, for localhost; the paths of it and of its key."""
    cert, key = (os.path.join(directory, f"{name}.{part}") for part in ("pem", "key"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


class TlsService(Service):
    """Asked by https; trusts the certificate that it serves with."""

    def __init__(self, cert, key):
        self.cert = cert
        super().__init__(args=["--tls-cert", cert, "--tls-key", key])

    def connection(self, ca):
        return http.client.HTTPSConnection("localhost", self.port, context=ssl.create_default_context(cafile=ca), timeout=30)

    def ask(self, path, ca=None):
        connection = self.connection(ca or self.cert)
        try:
            connection.request("GET", path, headers={"Authorization": "Bearer " + self.token})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def stop_experiments(self):
        """There are none."""


@unittest.skipUnless(shutil.which("openssl"), "needs the openssl tool to make a certificate")
class Tls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp()
        cls.cert, cls.key = certificate(cls.dir, "ours")
        cls.other, cls.other_key = certificate(cls.dir, "other")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.dir, ignore_errors=True)

    def test_requests_are_answered(self):
        with TlsService(self.cert, self.key) as s:
            self.assertTrue(s.url.startswith("https://"), s.url)
            status, answer = s.ask("/api/v1/projects/default/experiments")
            self.assertEqual((status, answer["experiments"]), (200, []))

    def test_client_that_does_not_trust_the_certificate_goes_away(self):
        with TlsService(self.cert, self.key) as s:
            with self.assertRaises(ssl.SSLCertVerificationError):
                s.ask("/livez", ca=self.other)
            self.assertEqual(s.ask("/livez")[0], 200)  # and nobody else is harmed

    def test_plain_http_is_not_spoken(self):
        with TlsService(self.cert, self.key) as s:
            connection = http.client.HTTPConnection("127.0.0.1", s.port, timeout=30)
            connection.request("GET", "/livez")
            with self.assertRaises((http.client.HTTPException, ConnectionError)):
                connection.getresponse()
            connection.close()
            self.assertEqual(s.ask("/livez")[0], 200)

    def test_bad_certificates_keep_it_from_starting(self):
        text = os.path.join(self.dir, "text")
        with open(text, "w") as file:
            file.write("no certificate\n")
        for args, word in ((["--tls-cert", self.cert], "tls_key"), (["--tls-cert", self.cert, "--tls-key", self.other_key], "belong together"),
                           (["--tls-cert", text, "--tls-key", self.key], "belong together"), (["--tls-cert", self.dir + "/none", "--tls-key", self.key], "none")):
            with self.subTest(args), self.assertRaises(Died) as died:
                Service(args=args).close()
            self.assertIn(word, died.exception.args[1])
            self.assertNotEqual(died.exception.args[0], 0)

    def test_command_line_says_what_is_wrong_with_a_certificate(self):
        with TlsService(self.cert, self.key) as s:
            done = subprocess.run([BIN, "get", "experiments", "--server", s.url, "--token-file", s.data + "/token"], capture_output=True, text=True,
                                  env=clean_env(HONE_DATA="/nonexistent"), timeout=60)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("certificate", done.stderr.lower())


if __name__ == "__main__":
    unittest.main()
