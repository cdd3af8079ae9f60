import { exportJWK, generateKeyPair, SignJWT } from "jose";

const { publicKey, privateKey } = await generateKeyPair("ES256");
const key = { ...(await exportJWK(publicKey)), kid: "1", alg: "ES256" };

/** The keys of the login service. */
export const keySet = { keys: [key] };

function tokenOf(sub: string, scope: string): Promise<string> {
	return new SignJWT({ scope })
		.setProtectedHeader({ alg: "ES256", kid: "1" })
		.setIssuer("https://login.example.com/")
		.setAudience("shop")
		.setSubject(sub)
		.setExpirationTime("1h")
		.sign(privateKey);
}

/** Files of credentials that a page reads with `cat`. */
export const credentials: Readonly<Record<string, string>> = {
	"ada.jwt": await tokenOf("ada", "orders:read"),
	"bob.jwt": await tokenOf("bob", ""),
	"acme.key": "sluice_bcWHAPmK_MMtWyk-9PhutJKD3jbFqykQkoLky6typ9k8B-28XI7I",
};
